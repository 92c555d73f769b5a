// SPDX-License-Identifier: Apache-2.0
//
// The spellings of numbers and truth that Go's strconv accepts, and therefore users write.
#include "base/result.h"
#include "tools/flag_set.h"

#include <algorithm>
#include <array>

namespace rk::tools {

namespace {

tl::unexpected<Error> syntax_error() {
    return fail("parse error");
}

tl::unexpected<Error> range_error() {
    return fail("value out of range");
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Value of a digit in bases up to 16; 16 for what is none.
std::uint64_t digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<std::uint64_t>(c - '0');
    }
    if (lower(c) >= 'a' && lower(c) <= 'f') {
        return static_cast<std::uint64_t>(lower(c) - 'a') + 10;
    }
    return 16;
}

struct Digits {
    std::uint64_t base = 10;
    std::string_view text;
    bool after_prefix = false;  // an underscore may follow the prefix: 0x_ff, 0_17
};

Digits strip_base(std::string_view text) {
    if (text.size() >= 3 && text[0] == '0') {
        switch (lower(text[1])) {
            case 'b':
                return {2, text.substr(2), true};
            case 'o':
                return {8, text.substr(2), true};
            case 'x':
                return {16, text.substr(2), true};
            default:
                break;
        }
    }
    if (!text.empty() && text[0] == '0') {
        return {8, text.substr(1), true};  // "0" itself: no digit left, value 0
    }
    return {10, text, false};
}

// Every underscore stands between two digits, the prefix counting as one.
bool underscores_in_place(const Digits& digits) {
    bool digit_before = digits.after_prefix;
    for (const char c : digits.text) {
        if (c == '_' && !digit_before) {
            return false;
        }
        digit_before = c != '_';
    }
    return digit_before || digits.text.empty();
}

Result<std::uint64_t> parse_magnitude(std::string_view text) {
    const Digits digits = strip_base(text);
    std::uint64_t magnitude = 0;
    for (const char c : digits.text) {
        if (c == '_') {
            continue;
        }
        const std::uint64_t digit = digit_value(c);
        if (digit >= digits.base) {
            return syntax_error();
        }
        if (magnitude > (UINT64_MAX - digit) / digits.base) {
            return range_error();
        }
        magnitude = magnitude * digits.base + digit;
    }
    if (!underscores_in_place(digits)) {
        return syntax_error();
    }
    return magnitude;
}

}  // namespace

Result<std::int64_t> parse_go_int(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    if (text.empty()) {
        return syntax_error();
    }
    const std::uint64_t magnitude = TRY(parse_magnitude(text));
    constexpr std::uint64_t kMinimum = std::uint64_t{1} << 63U;  // magnitude of INT64_MIN
    if (magnitude > kMinimum || (magnitude == kMinimum && !negative)) {
        return range_error();
    }
    return static_cast<std::int64_t>(negative ? ~magnitude + 1 : magnitude);
}

Result<bool> parse_go_bool(std::string_view text) {
    constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
    constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
    if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) {
        return true;
    }
    if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) {
        return false;
    }
    return syntax_error();
}

}  // namespace rk::tools
