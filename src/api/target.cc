// SPDX-License-Identifier: Apache-2.0
#include "api/target.h"

#include "base/text.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace rk::api {

namespace {

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const std::string_view digits = text.substr(i + 1, 2);
        const auto byte = digits.size() == 2 ? parse_hexadecimal(digits) : std::nullopt;
        if (!byte) {
            return std::nullopt;
        }
        decoded += static_cast<char>(*byte);
        i += 2;
    }
    return decoded;
}

}  // namespace

std::string percent_encode(std::string_view path) {
    constexpr std::string_view kPlainBytes =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/$&+,:;=@";
    std::string encoded;
    for (const char c : path) {
        if (kPlainBytes.find(c) != std::string_view::npos) {
            encoded += c;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return encoded;
}

std::optional<Target> parse_target(std::string_view target) {
    if (!target.starts_with('/')) {
        const std::size_t scheme = target.find("://");
        if (scheme == std::string_view::npos) {
            return Target{std::string(target), {}};  // "*", "host:port": no path of ours
        }
        target.remove_prefix(scheme + 3);
        const std::size_t path = target.find_first_of("/?");
        target = path == std::string_view::npos ? "/" : target.substr(path);
    }
    const std::size_t question = target.find('?');
    auto path = percent_decode(target.substr(0, question));
    if (!path) {
        return std::nullopt;
    }
    return Target{*std::move(path),
                  std::string(question == std::string_view::npos ? "" : target.substr(question))};
}

std::string clean_path(std::string_view path) {
    std::vector<std::string_view> kept;
    for (const std::string_view part : split(path, '/')) {
        if (part == ".." && !kept.empty()) {
            kept.pop_back();
        } else if (!part.empty() && part != "." && part != "..") {
            kept.push_back(part);
        }
    }
    std::string cleaned;
    for (const std::string_view part : kept) {
        cleaned += '/';
        cleaned += part;
    }
    return cleaned.empty() || path.ends_with('/') ? cleaned + '/' : cleaned;
}

}  // namespace rk::api
