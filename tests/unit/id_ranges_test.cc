// SPDX-License-Identifier: Apache-2.0
#include "model/id_ranges.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SourcedRange at(std::uint32_t start, std::uint32_t length, const char* origin = "/etc/subuid:1") {
    return SourcedRange{IdRange{start, length}, origin};
}

TEST(IdMap, AppendsRangesFromInsideOneOn) {
    const IdMap map = make_id_map(1001, {{100000, 65536}, {200000, 65536}});
    EXPECT_THAT(id_map_arguments(map),
                ElementsAre("0", "1001", "1", "1", "100000", "65536", "65537", "200000", "65536"));
}

TEST(IdMap, WithoutRangesMapsOnlyTheOwnId) {
    EXPECT_THAT(id_map_arguments(make_id_map(7, {})), ElementsAre("0", "7", "1"));
}

TEST(IdMap, NeverGoesPastTheLastInsideId) {
    const IdMap map = make_id_map(7, {{0, UINT32_MAX}, {10, 5}, {0, UINT32_MAX}});
    ASSERT_EQ(map.size(), 2U);
    EXPECT_EQ(std::uint64_t{map[1].inside} + map[1].length, UINT32_MAX);
}

TEST(ClipRange, KeepsWhatIsBelowTheLastId) {
    EXPECT_EQ(clip_range(100, 5), (IdRange{100, 5}));
    EXPECT_EQ(clip_range(4294967290, 5), (IdRange{4294967290, 5}));
    EXPECT_EQ(clip_range(4294967290, 6), (IdRange{4294967290, 5}));
    EXPECT_EQ(clip_range(0, UINT64_MAX), (IdRange{0, UINT32_MAX}));
    EXPECT_EQ(clip_range(UINT32_MAX, 1), std::nullopt);
    EXPECT_EQ(clip_range(UINT64_MAX, UINT64_MAX), std::nullopt);
    EXPECT_EQ(clip_range(100, 0), std::nullopt);
}

TEST(NormaliseRanges, LeavesGoodRangesAloneAndInOrder) {
    const auto result =
        normalise_ranges("UID", 1001, std::vector{at(300000, 10), at(100000, 65536)});
    EXPECT_THAT(result.ranges, ElementsAre(IdRange{300000, 10}, IdRange{100000, 65536}));
    EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(NormaliseRanges, TakesTheOwnIdOut) {
    const auto result = normalise_ranges("UID", 1001, std::vector{at(1000, 5)});
    EXPECT_THAT(result.ranges, ElementsAre(IdRange{1000, 1}, IdRange{1002, 3}));
    EXPECT_THAT(result.warnings,
                ElementsAre("/etc/subuid:1: range 1000:5 contains your own UID 1001: "
                            "using 1000:1, 1002:3"));
}

TEST(NormaliseRanges, TakesTheOwnIdOutAtTheEdges) {
    EXPECT_THAT(normalise_ranges("GID", 1000, std::vector{at(1000, 5)}).ranges,
                ElementsAre(IdRange{1001, 4}));
    EXPECT_THAT(normalise_ranges("GID", 1004, std::vector{at(1000, 5)}).ranges,
                ElementsAre(IdRange{1000, 4}));
    EXPECT_THAT(normalise_ranges("GID", 1000, std::vector{at(1000, 1)}).ranges, IsEmpty());
    EXPECT_THAT(normalise_ranges("GID", 1005, std::vector{at(1000, 5)}).warnings, IsEmpty());
}

TEST(NormaliseRanges, DropsADuplicateAndSaysWhere) {
    const auto result = normalise_ranges(
        "UID", 1, std::vector{at(100, 10, "/etc/subuid:3"), at(100, 10, "/etc/subuid:7")});
    EXPECT_THAT(result.ranges, ElementsAre(IdRange{100, 10}));
    EXPECT_THAT(result.warnings, ElementsAre("/etc/subuid:7: range 100:10 overlaps 100:10 of "
                                             "/etc/subuid:3: ignoring it"));
}

TEST(NormaliseRanges, TheFirstRangeKeepsWhatOverlaps) {
    const auto result =
        normalise_ranges("UID", 1, std::vector{at(100, 10), at(105, 10), at(95, 30), at(104, 2)});
    EXPECT_THAT(result.ranges,
                ElementsAre(IdRange{100, 10}, IdRange{110, 5}, IdRange{95, 5}, IdRange{115, 10}));
    EXPECT_EQ(result.warnings.size(), 3U);
}

TEST(NormaliseRanges, NamesBothReasons) {
    const auto result = normalise_ranges("UID", 50, std::vector{at(40, 5), at(40, 20)});
    EXPECT_THAT(result.ranges, ElementsAre(IdRange{40, 5}, IdRange{45, 5}, IdRange{51, 9}));
    EXPECT_THAT(result.warnings,
                ElementsAre(HasSubstr("contains your own UID 50 and overlaps 40:5 of")));
}

TEST(NormaliseRanges, StopsAtTheKernelsNumberOfLines) {
    std::vector<SourcedRange> many;
    for (std::uint32_t i = 0; i < 400; ++i) {
        many.push_back(at(10 + 2 * i, 1));
    }
    const auto result = normalise_ranges("UID", 1, many);
    EXPECT_EQ(result.ranges.size(), kMaxMapLines - 1);
    EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("does not fit into one UID map")));
    EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("ignoring it and 60 more")));
}

TEST(NormaliseRanges, StopsAtTheKernelsNumberOfBytes) {
    std::vector<SourcedRange> many;
    for (std::uint32_t i = 0; i < 300; ++i) {
        many.push_back(at(1000000000 + 100000 * i, 65536));
    }
    const auto result = normalise_ranges("UID", 1, many);
    std::size_t bytes = 0;
    for (const IdMapEntry& line : make_id_map(1, result.ranges)) {
        bytes += fmt::formatted_size("{} {} {}\n", line.inside, line.outside, line.length);
    }
    EXPECT_LE(bytes, kMaxMapBytes);
    EXPECT_GT(bytes, kMaxMapBytes - 40);
    EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("does not fit")));
}

TEST(NormaliseRanges, CoversEveryIdAtMostOnce) {
    const auto result = normalise_ranges(
        "UID", 4294967294U, std::vector{at(0, UINT32_MAX), at(5, 4294967290U), at(UINT32_MAX, 9)});
    EXPECT_THAT(result.ranges, ElementsAre(IdRange{0, 4294967294U}));
}

}  // namespace
}  // namespace rk::model
