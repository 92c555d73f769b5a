// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rk::model {

/// A run of subordinate IDs: [start, start + length), length >= 1, never past 2^32 - 1.
struct IdRange {
    std::uint32_t start = 0;
    std::uint32_t length = 0;

    [[nodiscard]] std::uint64_t end() const { return std::uint64_t{start} + length; }
    friend bool operator==(const IdRange&, const IdRange&) = default;
};

/// One line of /proc/PID/uid_map: `length` IDs from `inside` on are `outside` and on outside.
struct IdMapEntry {
    std::uint32_t inside = 0;
    std::uint32_t outside = 0;
    std::uint32_t length = 0;
    friend bool operator==(const IdMapEntry&, const IdMapEntry&) = default;
};

using IdMap = std::vector<IdMapEntry>;

/// The map of a "fake root" (user_namespaces(7)): 0 is `own_id`, the ranges follow without a gap in
/// the order given, from inside ID 1 on.
[[nodiscard]] IdMap make_id_map(std::uint32_t own_id, const std::vector<IdRange>& ranges);

/// The map as newuidmap(1) takes it: "0", "1000", "1", "1", "100000", "65536".
[[nodiscard]] std::vector<std::string> id_map_arguments(const IdMap& map);

}  // namespace rk::model
