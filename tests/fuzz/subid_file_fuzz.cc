// SPDX-License-Identifier: Apache-2.0
//
// Whatever is in /etc/subuid, the map made of it is one the kernel can take: no ID twice on either
// side, never the last one, within the limits on lines and bytes.
#include "model/id_map.h"
#include "model/id_ranges.h"
#include "wire/subid_file.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::uint32_t kUid = 1001;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_map(const rk::model::IdMap& map) {
    require(map.size() <= rk::model::kMaxMapLines);
    std::size_t bytes = 0;
    std::uint64_t inside = 0;
    for (const auto& line : map) {
        require(line.length > 0 && line.inside == inside);
        inside += line.length;
        const std::uint64_t end = std::uint64_t{line.outside} + line.length;
        require(end <= UINT32_MAX && inside <= UINT32_MAX);
        for (const auto& other : map) {
            require(&other == &line || other.outside >= end ||
                    std::uint64_t{other.outside} + other.length <= line.outside);
        }
        bytes += fmt::formatted_size("{} {} {}\n", line.inside, line.outside, line.length);
    }
    require(bytes <= rk::model::kMaxMapBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto lines = rk::wire::parse_subid_file(text, "/etc/subuid", {.name = "rk", .uid = kUid});
    for (const auto& found : lines.ranges) {
        require(found.range.length > 0 && found.range.end() <= UINT32_MAX);
    }
    check_map(rk::model::make_id_map(
        kUid, rk::model::normalise_ranges("UID", kUid, lines.ranges).ranges));
    return 0;
}
