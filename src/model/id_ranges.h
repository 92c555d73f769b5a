// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/id_map.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rk::model {

/// Lines of one uid_map or gid_map (user_namespaces(7), UID_GID_MAP_MAX_EXTENTS since Linux 4.15).
inline constexpr std::size_t kMaxMapLines = 340;
/// Bytes of one map: it is written by one write(2) of less than a page (map_write() in the kernel);
/// 4096 is the smallest page there is. Long numbers reach this before the 340 lines.
inline constexpr std::size_t kMaxMapBytes = 4095;

/// A range of subordinate IDs and where it was found, for warnings: "/etc/subuid:3", "getsubids".
struct SourcedRange {
    IdRange range;
    std::string origin;
};

/// Ranges that the kernel accepts as one map, and what had to be changed for that.
struct NormalisedRanges {
    std::vector<IdRange> ranges;
    std::vector<std::string> warnings;
};

/// The part of [start, start + length) that can be mapped, i.e. below 4294967295 (which is "no
/// ID"); empty where nothing is left.
[[nodiscard]] std::optional<IdRange> clip_range(std::uint64_t start, std::uint64_t length);

/// Makes the ranges fit for make_id_map: the kernel refuses a whole map with EINVAL when one ID is
/// in it twice or when it is too long. Whoever comes first keeps an ID: the user's own ID (mapped
/// to 0 already) before all ranges, earlier ranges before later ones. What is left keeps its order.
/// `kind` is "UID" or "GID".
[[nodiscard]] NormalisedRanges normalise_ranges(std::string_view kind, std::uint32_t own_id,
                                                std::span<const SourcedRange> found);

}  // namespace rk::model
