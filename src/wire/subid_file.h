// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/id_ranges.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

/// More lines than this for one user are not read: no map holds them (model::kMaxMapLines).
inline constexpr std::size_t kMaxOwnSubidLines = 400;

/// Whose ranges are wanted. Both files are searched by user, /etc/subgid too (subgid(5)).
struct SubidOwner {
    std::string_view name;
    std::uint32_t uid = 0;
};

struct SubidLines {
    std::vector<model::SourcedRange> ranges;  // in file order, overlaps included
    std::vector<std::string> warnings;        // "FILE:LINE: what is wrong with it"
};

/// The ranges of one user in the text of subuid(5) or subgid(5): lines "NAME-OR-UID:START:COUNT".
/// Other users' lines are not looked at, whatever is in them; an own line that is no range is
/// skipped with a warning. `path` is for the warnings and origins.
[[nodiscard]] SubidLines parse_subid_file(std::string_view text, std::string_view path,
                                          const SubidOwner& owner);

}  // namespace rk::wire
