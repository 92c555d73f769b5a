// SPDX-License-Identifier: Apache-2.0
#include "model/id_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace rk::model {

IdMap make_id_map(std::uint32_t own_id, const std::vector<IdRange>& ranges) {
    // 2^32 - 1 is "no ID" and can be mapped on neither side (user_namespaces(7)).
    constexpr std::uint64_t kInsideEnd = UINT32_MAX;
    IdMap map = {IdMapEntry{.inside = 0, .outside = own_id, .length = 1}};
    std::uint64_t inside = 1;
    for (const IdRange& range : ranges) {
        const std::uint64_t length = std::min<std::uint64_t>(range.length, kInsideEnd - inside);
        if (length == 0) {
            continue;
        }
        map.push_back(IdMapEntry{.inside = static_cast<std::uint32_t>(inside),
                                 .outside = range.start,
                                 .length = static_cast<std::uint32_t>(length)});
        inside += length;
    }
    return map;
}

std::vector<std::string> id_map_arguments(const IdMap& map) {
    std::vector<std::string> arguments;
    arguments.reserve(map.size() * 3);
    for (const IdMapEntry& entry : map) {
        for (const std::uint32_t number : {entry.inside, entry.outside, entry.length}) {
            arguments.push_back(fmt::format("{}", number));
        }
    }
    return arguments;
}

}  // namespace rk::model
