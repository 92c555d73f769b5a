// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <gtest/gtest.h>

namespace rk {
namespace {

TEST(Text, TrimTakesBlanksFromBothEnds) {
    EXPECT_EQ(trim(" \t a b\r\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim(""), "");
}

TEST(Text, SplitKeepsEmptyParts) {
    EXPECT_EQ(split("a,,b", ','), (std::vector<std::string_view>{"a", "", "b"}));
    EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
    EXPECT_EQ(split(",", ','), (std::vector<std::string_view>{"", ""}));
}

TEST(Text, SplitBlanksHasNoEmptyParts) {
    EXPECT_EQ(split_blanks("  a \t b\n"), (std::vector<std::string_view>{"a", "b"}));
    EXPECT_TRUE(split_blanks(" \t").empty());
}

TEST(Text, ParseDecimalTakesDigitsOnlyAndKeepsTheLimit) {
    EXPECT_EQ(parse_decimal("0"), 0U);
    EXPECT_EQ(parse_decimal("007"), 7U);
    EXPECT_EQ(parse_decimal("65535", 65535), 65535U);
    EXPECT_EQ(parse_decimal("65536", 65535), std::nullopt);
    EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(parse_decimal("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_decimal("5", 3), std::nullopt);
    for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1e3"}) {
        EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
    }
}

TEST(Text, ParseHexadecimalTakesDigitsOfEitherCaseAndKeepsTheLimit) {
    EXPECT_EQ(parse_hexadecimal("0"), 0U);
    EXPECT_EQ(parse_hexadecimal("00fF"), 255U);
    EXPECT_EQ(parse_hexadecimal("ffff", 65535), 65535U);
    EXPECT_EQ(parse_hexadecimal("10000", 65535), std::nullopt);
    EXPECT_EQ(parse_hexadecimal("ffffffffffffffff"), UINT64_MAX);
    EXPECT_EQ(parse_hexadecimal("10000000000000000"), std::nullopt);
    for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "g"}) {
        EXPECT_EQ(parse_hexadecimal(bad), std::nullopt) << bad;
    }
}

TEST(Text, JoinPutsTheSeparatorBetweenParts) {
    EXPECT_EQ(join({}, " "), "");
    EXPECT_EQ(join({"a"}, " "), "a");
    EXPECT_EQ(join({"", "b", ""}, ","), ",b,");
}

TEST(Text, QuoteEscapesAsGoDoes) {
    EXPECT_EQ(quote("plain"), R"("plain")");
    EXPECT_EQ(quote("a\"b\\c\n\t\x01\x7f"), R"("a\"b\\c\n\t\x01\x7f")");
    EXPECT_EQ(quote("größe"), "\"größe\"");
    EXPECT_EQ(quote("\xff"
                    "a"),
              R"("\xffa")");
    EXPECT_EQ(quote("\xe2\x82"), R"("\xe2\x82")") << "a cut sequence is bytes, not a character";
}

}  // namespace
}  // namespace rk
