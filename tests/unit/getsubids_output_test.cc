// SPDX-License-Identifier: Apache-2.0
#include "wire/getsubids_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using model::IdRange;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(GetsubidsOutput, ReadsARangeAndSkipsComments) {
    const auto output =
        parse_getsubids_output("# foo\n\n 0: foo 100000 655360 \n", "getsubids foo");
    ASSERT_TRUE(output);
    ASSERT_EQ(output->ranges.size(), 1U);
    EXPECT_EQ(output->ranges[0].range, (IdRange{100000, 655360}));
    EXPECT_EQ(output->ranges[0].origin, "getsubids foo");
    EXPECT_THAT(output->warnings, IsEmpty());
}

TEST(GetsubidsOutput, NothingPrintedIsNoError) {
    const auto output = parse_getsubids_output("", "x");
    ASSERT_TRUE(output);
    EXPECT_THAT(output->ranges, IsEmpty());
}

TEST(GetsubidsOutput, UnknownFieldsAreWarnings) {
    const auto output = parse_getsubids_output("0: a 1 2 more\n1: a 3 4: b 5 6\n", "x");
    ASSERT_TRUE(output);
    ASSERT_EQ(output->ranges.size(), 2U);
    EXPECT_EQ(output->ranges[1].range, (IdRange{3, 4}));
    EXPECT_THAT(output->warnings,
                ElementsAre("line 1: \"0: a 1 2 more\" contains unknown fields",
                            "line 2: \"1: a 3 4: b 5 6\" contains unknown fields"));
}

TEST(GetsubidsOutput, RangesPastTheLastIdAreClippedOrDropped) {
    const auto output =
        parse_getsubids_output("0: a 4294967290 100\n1: a 4294967295 1\n2: a 7 0", "x");
    ASSERT_TRUE(output);
    ASSERT_EQ(output->ranges.size(), 1U);
    EXPECT_EQ(output->ranges[0].range, (IdRange{4294967290, 5}));
    EXPECT_EQ(output->warnings.size(), 3U);
}

TEST(GetsubidsOutput, AnythingElseIsAnError) {
    const auto message = [](std::string_view text) {
        const auto output = parse_getsubids_output(text, "x");
        return output ? std::string("no error") : output.error().message;
    };
    EXPECT_EQ(message("0: a 1 2\nhello"), "line 2: unparsable line \"hello\"");
    EXPECT_EQ(message("0: a 1"), "line 1: unparsable line \"0: a 1\"");
    EXPECT_EQ(message("0:"), "line 1: unparsable line \"0:\"");
    EXPECT_THAT(message("0: a x 2"), HasSubstr("failed to Atoi(\"x\")"));
    EXPECT_THAT(message("0: a 1 -2"), HasSubstr("failed to Atoi(\"-2\")"));
    EXPECT_THAT(message("0: a 1 99999999999999999999"), HasSubstr("failed to Atoi("));
}

}  // namespace
}  // namespace rk::wire
