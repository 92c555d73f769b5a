// SPDX-License-Identifier: Apache-2.0
//
// What a request is for, out of its first line.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rk::api {

struct Target {
    std::string path;   // decoded
    std::string query;  // as sent, with its "?"; "" = none
};

/// Of "/v1/info?q", or of "http://any/v1/info?q" (a proxy's form, whose host means nothing here).
/// Anything else ("*", "host:port") is a path that begins with no slash. Empty where a %XX is
/// broken.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

/// Without ".", ".." and doubled slashes; a slash at the end stays.
[[nodiscard]] std::string clean_path(std::string_view path);

/// Everything a header or a path could stumble over becomes %XX.
[[nodiscard]] std::string percent_encode(std::string_view path);

}  // namespace rk::api
