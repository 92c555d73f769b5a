// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: every range in the files, valid or overlapping, is "taken"; so are our own
// IDs and 0. The gaps between are walked in ascending order, clipped to what both ID maps cover.
// Lines that cannot be read take nothing: newuidmap(1) has no use for them either.
#include "doctor/subid_advice.h"

#include "base/text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace rk::doctor {

namespace {

// login.defs(5): SUB_UID_MIN and SUB_UID_COUNT.
constexpr std::uint64_t kFirstId = 100000;
constexpr std::uint64_t kCount = 65536;
// Below two IDs a range is not worth a line: nothing but a second user would fit.
constexpr std::uint64_t kSmallestUseful = 2;
// The last ID that can be mapped: (uid_t)-1 means "none".
constexpr std::uint64_t kEndOfIds = UINT32_MAX;

struct Span {
    std::uint64_t begin;
    std::uint64_t end;
};

// Everybody's ranges, read generously: what might be somebody's is taken. (wire/subid_file.h reads
// one user's lines, strictly.)
std::vector<Span> granted_spans(std::string_view text) {
    std::vector<Span> spans;
    for (const std::string_view raw : split(text, '\n')) {
        const auto fields = split(trim(raw), ':');
        if (fields.size() < 3 || fields[0].starts_with('#')) {
            continue;
        }
        const auto start = parse_decimal(fields[1], UINT32_MAX);
        const auto length = parse_decimal(fields[2], UINT32_MAX);
        if (start && length && *length > 0) {
            spans.push_back({*start, *start + *length});
        }
    }
    return spans;
}

// The parts of [0, kEndOfIds) outside `map`'s inside IDs, sorted or not.
std::vector<Span> unmapped(const model::IdMap& map) {
    std::vector<Span> inside;
    for (const model::IdMapEntry& entry : map) {
        inside.push_back({entry.inside, std::uint64_t{entry.inside} + entry.length});
    }
    std::sort(inside.begin(), inside.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
    std::vector<Span> holes;
    std::uint64_t next = 0;
    for (const Span& span : inside) {
        holes.push_back({next, span.begin});
        next = span.end;
    }
    holes.push_back({next, kEndOfIds});
    return holes;
}

std::vector<Span> taken_spans(const SubidSpace& space) {
    std::vector<Span> taken = {{0, 1},
                               {space.uid, std::uint64_t{space.uid} + 1},
                               {space.gid, std::uint64_t{space.gid} + 1}};
    for (const std::string_view text : {space.subuid_text, space.subgid_text}) {
        const std::vector<Span> granted = granted_spans(text);
        taken.insert(taken.end(), granted.begin(), granted.end());
    }
    for (const model::IdMap* map : {&space.uid_map, &space.gid_map}) {
        const std::vector<Span> holes = unmapped(*map);
        taken.insert(taken.end(), holes.begin(), holes.end());
    }
    taken.push_back({kEndOfIds, kEndOfIds + 1});
    std::erase_if(taken, [](const Span& span) { return span.begin >= span.end; });
    std::sort(taken.begin(), taken.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
    return taken;
}

std::vector<Span> gaps_between(const std::vector<Span>& sorted_taken) {
    std::vector<Span> gaps;
    std::uint64_t next = 0;
    for (const Span& span : sorted_taken) {
        if (span.begin > next) {
            gaps.push_back({next, span.begin});
        }
        next = std::max(next, span.end);
    }
    return gaps;
}

}  // namespace

std::optional<model::IdRange> free_subid_range(const SubidSpace& space) {
    const std::vector<Span> gaps = gaps_between(taken_spans(space));
    for (const Span& gap : gaps) {
        const std::uint64_t start = std::max(gap.begin, kFirstId);
        if (start + kCount <= gap.end) {
            return model::IdRange{static_cast<std::uint32_t>(start),
                                  static_cast<std::uint32_t>(kCount)};
        }
    }
    const auto length = [](const Span& span) { return span.end - span.begin; };
    const auto largest =
        std::max_element(gaps.begin(), gaps.end(),
                         [&](const Span& a, const Span& b) { return length(a) < length(b); });
    if (largest == gaps.end() || length(*largest) < kSmallestUseful) {
        return std::nullopt;
    }
    return model::IdRange{static_cast<std::uint32_t>(largest->begin),
                          static_cast<std::uint32_t>(std::min(length(*largest), kCount))};
}

}  // namespace rk::doctor
