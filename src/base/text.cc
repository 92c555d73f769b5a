// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <fmt/format.h>

#include <charconv>

namespace rk {

namespace {

constexpr std::string_view kBlanks = " \t\n\v\f\r";

// Length of the well-formed UTF-8 sequence at the start of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    std::size_t length = 0;
    if (byte(0) < 0x80) {
        return 1;
    }
    if (byte(0) >= 0xc2 && byte(0) <= 0xdf) {
        length = 2;
    } else if (byte(0) >= 0xe0 && byte(0) <= 0xef) {
        length = 3;
    } else if (byte(0) >= 0xf0 && byte(0) <= 0xf4) {
        length = 4;
    } else {
        return 0;
    }
    if (text.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

std::string_view short_escape(char c) {
    switch (c) {
        case '"':
            return "\\\"";
        case '\\':
            return "\\\\";
        case '\n':
            return "\\n";
        case '\t':
            return "\\t";
        case '\r':
            return "\\r";
        case '\a':
            return "\\a";
        case '\b':
            return "\\b";
        case '\f':
            return "\\f";
        case '\v':
            return "\\v";
        default:
            return {};
    }
}

// For an unsigned type std::from_chars takes no sign, no blank and no prefix.
std::optional<std::uint64_t> parse_number(std::string_view text, int base, std::uint64_t max) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stop != end || value > max) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (;;) {
        const std::size_t end = text.find(separator, begin);
        parts.push_back(text.substr(begin, end - begin));
        if (end == std::string_view::npos) {
            return parts;
        }
        begin = end + 1;
    }
}

std::vector<std::string_view> split_blanks(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t begin = text.find_first_not_of(kBlanks);
    while (begin != std::string_view::npos) {
        const std::size_t end = text.find_first_of(kBlanks, begin);
        parts.push_back(text.substr(begin, end - begin));
        begin = end == std::string_view::npos ? end : text.find_first_not_of(kBlanks, end);
    }
    return parts;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max) {
    return parse_number(text, 10, max);
}

std::optional<std::uint64_t> parse_hexadecimal(std::string_view text, std::uint64_t max) {
    return parse_number(text, 16, max);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string joined;
    for (const std::string& part : parts) {
        if (!joined.empty() || &part != parts.data()) {
            joined += separator;
        }
        joined += part;
    }
    return joined;
}

std::string quote(std::string_view text) {
    std::string quoted = "\"";
    while (!text.empty()) {
        const char c = text.front();
        std::size_t taken = 1;
        const std::size_t length = utf8_length(text);
        if (const std::string_view escape = short_escape(c); !escape.empty()) {
            quoted += escape;
        } else if (length == 0 || (length == 1 && (c < ' ' || c == '\x7f'))) {
            quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            quoted += text.substr(0, length);
            taken = length;
        }
        text.remove_prefix(taken);
    }
    quoted += '"';
    return quoted;
}

}  // namespace rk
