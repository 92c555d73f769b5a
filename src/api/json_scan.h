// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace rk::api {

/// Deeper values are refused ("exceeded max depth"), as Go does.
inline constexpr std::size_t kMaxJsonDepth = 10'000;

/// The first JSON value in `text`, without blanks around it; what follows is not looked at. Errors
/// are Go's, because clients show them: "EOF", "unexpected EOF",
/// "invalid character 'x' looking for beginning of value".
[[nodiscard]] Result<std::string_view> first_json_value(std::string_view text);

/// Escapes, in a JSON text, what Go escapes although JSON does not ask for it: "<>&" and U+2028/9.
[[nodiscard]] std::string escape_like_go(std::string_view json);

}  // namespace rk::api
