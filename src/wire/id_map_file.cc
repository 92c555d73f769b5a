// SPDX-License-Identifier: Apache-2.0
#include "wire/id_map_file.h"

#include "base/text.h"

#include <algorithm>

namespace rk::wire {

Result<model::IdMap> parse_id_map_file(std::string_view text) {
    model::IdMap map;
    std::size_t line_number = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++line_number;
        const auto words = split_blanks(line);
        if (words.empty()) {
            continue;
        }
        if (words.size() != 3) {
            return fail("ID map line {}: {} words instead of 3", line_number, words.size());
        }
        const auto inside = parse_decimal(words[0], UINT32_MAX);
        const auto outside = parse_decimal(words[1], UINT32_MAX);
        const auto length = parse_decimal(words[2], UINT32_MAX);
        if (!inside || !outside || !length || *length == 0) {
            return fail("ID map line {}: bad number", line_number);
        }
        map.push_back({.inside = static_cast<std::uint32_t>(*inside),
                       .outside = static_cast<std::uint32_t>(*outside),
                       .length = static_cast<std::uint32_t>(*length)});
    }
    return map;
}

bool covers(const model::IdMap& map, const model::IdRange& range) {
    std::uint64_t next = range.start;
    while (next < range.end()) {
        const auto entry = std::find_if(map.begin(), map.end(), [&](const auto& candidate) {
            return candidate.inside <= next &&
                   next < std::uint64_t{candidate.inside} + candidate.length;
        });
        if (entry == map.end()) {
            return false;
        }
        next = std::uint64_t{entry->inside} + entry->length;
    }
    return true;
}

}  // namespace rk::wire
