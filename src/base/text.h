// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk {

/// Removes blanks (space, \t, \n, \v, \f, \r) from both ends.
[[nodiscard]] std::string_view trim(std::string_view text);

/// Splits at every separator; "a,,b" gives three parts and "" gives one empty part.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// Splits at runs of blanks; no empty parts.
[[nodiscard]] std::vector<std::string_view> split_blanks(std::string_view text);

/// Decimal digits only, no sign, no blanks, at most `max`. Empty on anything else.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text,
                                                         std::uint64_t max = UINT64_MAX);

/// The same in hexadecimal: digits of either case, no "0x".
[[nodiscard]] std::optional<std::uint64_t> parse_hexadecimal(std::string_view text,
                                                             std::uint64_t max = UINT64_MAX);

/// Joins with a separator between the parts.
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// `text` in double quotes with Go's escapes (strconv.Quote): \" \\ \n \t \r \a \b \f \v, \xNN for
/// other control and non-UTF-8 bytes. Printable UTF-8 stays.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace rk
