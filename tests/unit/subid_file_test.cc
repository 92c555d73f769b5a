// SPDX-License-Identifier: Apache-2.0
#include "wire/subid_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using model::IdRange;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SubidLines parse(std::string_view text) {
    return parse_subid_file(text, "/etc/subuid", SubidOwner{.name = "rk", .uid = 1001});
}

std::vector<IdRange> ranges(std::string_view text) {
    std::vector<IdRange> all;
    for (const auto& found : parse(text).ranges) {
        all.push_back(found.range);
    }
    return all;
}

TEST(SubidFile, TakesLinesByNameAndUidInFileOrder) {
    const SubidLines lines =
        parse("# comment\n\nother:1:2\n1001:300000:10\nrk:100000:65536\n01001:5:5\n");
    ASSERT_EQ(lines.ranges.size(), 2U);
    EXPECT_EQ(lines.ranges[0].range, (IdRange{300000, 10}));
    EXPECT_EQ(lines.ranges[0].origin, "/etc/subuid:4");
    EXPECT_EQ(lines.ranges[1].range, (IdRange{100000, 65536}));
    EXPECT_EQ(lines.ranges[1].origin, "/etc/subuid:5");
    EXPECT_THAT(lines.warnings, IsEmpty());
}

TEST(SubidFile, KeepsDuplicatesForTheNormaliser) {
    EXPECT_THAT(ranges("rk:1:2\nrk:1:2"), ElementsAre(IdRange{1, 2}, IdRange{1, 2}));
}

TEST(SubidFile, OtherUsersNumbersAreTheirOwnBusiness) {
    const SubidLines lines = parse("other:x:y\nrkx::\nrk:7:8\n");
    EXPECT_EQ(lines.ranges.size(), 1U);
    EXPECT_THAT(lines.warnings, IsEmpty());
}

TEST(SubidFile, LinesThatAreNobodysAreSkippedAndToldButNotWithoutEnd) {
    const SubidLines lines = parse("nonsense\n:::::\nrkx:1\nroot:1:2:3\nx\nrk:7:8\n");
    EXPECT_EQ(lines.ranges.size(), 1U);
    EXPECT_EQ(lines.warnings.size(), 3U);
}

TEST(SubidFile, EmptyFileGivesNothing) {
    EXPECT_THAT(ranges(""), IsEmpty());
    EXPECT_THAT(ranges("\n\n"), IsEmpty());
}

TEST(SubidFile, AnEmptyUserNameMatchesNothing) {
    const auto lines = parse_subid_file(":1:2\n", "f", SubidOwner{.name = "", .uid = 1001});
    EXPECT_THAT(lines.ranges, IsEmpty());
}

struct Malformed {
    const char* line;
    const char* warning;
};

class MalformedOwnLine : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedOwnLine, IsSkippedWithAWarningAndTheRestIsUsed) {
    const SubidLines lines = parse(std::string("x:1:1\n") + GetParam().line + "\nrk:100000:65536");
    ASSERT_EQ(lines.ranges.size(), 1U);
    EXPECT_EQ(lines.ranges[0].range, (IdRange{100000, 65536}));
    EXPECT_THAT(lines.warnings, ElementsAre(HasSubstr("/etc/subuid:2: ")));
    EXPECT_THAT(lines.warnings, ElementsAre(HasSubstr(GetParam().warning)));
}

INSTANTIATE_TEST_SUITE_P(
    SubidFile, MalformedOwnLine,
    testing::Values(Malformed{"rk", "not of the form USER:START:COUNT"},
                    Malformed{"rk:1", "not of the form"}, Malformed{"rk:1:2:3", "not of the form"},
                    Malformed{"rk:x:1", "\"x\" is not a decimal number"},
                    Malformed{"rk:1:", "\"\" is not a decimal number"},
                    Malformed{"rk:-1:5", "\"-1\" is not"}, Malformed{"rk:+1:5", "\"+1\" is not"},
                    Malformed{"rk:0x10:5", "\"0x10\" is not"},
                    Malformed{"1001:010:5", "\"010\" is not"},
                    Malformed{"rk: 1:5", "\" 1\" is not"},
                    Malformed{"rk:99999999999999999999999:5", "is not a decimal number"},
                    Malformed{"rk:5:0", "holds no usable ID"},
                    Malformed{"rk:4294967295:1", "holds no usable ID"},
                    Malformed{"rk:18446744073709551615:18446744073709551615", "no usable ID"},
                    Malformed{" rk:1:5", "blanks around the line"},
                    Malformed{"rk:1:5\r", "blanks around the line"}));

TEST(SubidFile, ClipsARangePastTheLastId) {
    const SubidLines lines = parse("rk:4294967290:100\n");
    ASSERT_EQ(lines.ranges.size(), 1U);
    EXPECT_EQ(lines.ranges[0].range, (IdRange{4294967290, 5}));
    EXPECT_THAT(lines.warnings, ElementsAre("/etc/subuid:1: the range goes past the last ID, "
                                            "4294967294; using 4294967290:5"));
}

TEST(SubidFile, StopsAtMoreLinesThanAnyMapHolds) {
    std::string text;
    for (std::size_t i = 0; i < kMaxOwnSubidLines + 5; ++i) {
        text += "rk:1:1\n";
    }
    const SubidLines lines = parse(text);
    EXPECT_EQ(lines.ranges.size(), kMaxOwnSubidLines);
    EXPECT_THAT(lines.warnings, ElementsAre(HasSubstr("/etc/subuid:401: ")));
}

TEST(SubidFile, SurvivesBinaryGarbage) {
    EXPECT_THAT(ranges(std::string_view("\0\xff:\x80\nrk:\0:1\nrk:5:6", 18)),
                ElementsAre(IdRange{5, 6}));
}

}  // namespace
}  // namespace rk::wire
