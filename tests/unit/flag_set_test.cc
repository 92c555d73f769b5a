// SPDX-License-Identifier: Apache-2.0
#include "tools/flag_set.h"

#include <gtest/gtest.h>

#include <array>

namespace rk::tools {
namespace {

constexpr auto kTable = std::to_array<FlagDefinition>({
    {"on", "", FlagType::kBool, "true", "C", "starts true"},
    {"off", "o", FlagType::kBool, "false", "C", "starts false"},
    {"text", "", FlagType::kString, "host", "C", "a string"},
    {"number", "", FlagType::kInt, "7", "C", "an int"},
    {"list", "l", FlagType::kList, "", "C", "a list"},
});

using Arguments = std::vector<std::string>;

Result<FlagSet> parse(const Arguments& arguments) {
    return FlagSet::parse(kTable, arguments);
}

std::string error_of(const Arguments& arguments) {
    const auto flags = parse(arguments);
    return flags ? "" : flags.error().message;
}

TEST(FlagSet, StartsWithDefaults) {
    const auto flags = parse({});
    ASSERT_TRUE(flags);
    EXPECT_TRUE(flags->boolean("on"));
    EXPECT_FALSE(flags->boolean("off"));
    EXPECT_EQ(flags->text("text"), "host");
    EXPECT_EQ(flags->integer("number"), 7);
    EXPECT_TRUE(flags->list("list").empty());
    EXPECT_FALSE(flags->given("text"));
    EXPECT_TRUE(flags->arguments().empty());
}

TEST(FlagSet, TakesValuesInBothForms) {
    for (const Arguments& arguments :
         {Arguments{"--text=a", "cmd"}, Arguments{"--text", "a", "cmd"},
          Arguments{"-text=a", "cmd"}, Arguments{"-text", "a", "cmd"}}) {
        const auto flags = parse(arguments);
        ASSERT_TRUE(flags) << arguments[0];
        EXPECT_EQ(flags->text("text"), "a");
        EXPECT_TRUE(flags->given("text"));
        EXPECT_EQ(flags->arguments(), Arguments{"cmd"});
    }
}

TEST(FlagSet, AValueMayBeEmptyOrLookLikeAFlag) {
    EXPECT_EQ(parse({"--text="})->text("text"), "");
    EXPECT_EQ(parse({"--text", ""})->text("text"), "");
    EXPECT_EQ(parse({"--text", "--off"})->text("text"), "--off");
    EXPECT_EQ(parse({"--text", "--"})->text("text"), "--");
    EXPECT_EQ(parse({"--text=a=b"})->text("text"), "a=b");
}

TEST(FlagSet, StopsAtTheFirstPositional) {
    EXPECT_EQ(parse({"-off", "cmd", "--off", "-x"})->arguments(),
              (Arguments{"cmd", "--off", "-x"}));
    EXPECT_EQ(parse({"--", "--off"})->arguments(), (Arguments{"--off"}));
    EXPECT_EQ(parse({"--", "--", "a"})->arguments(), (Arguments{"--", "a"}));
    EXPECT_EQ(parse({"-", "--off"})->arguments(), (Arguments{"-", "--off"}));
    EXPECT_EQ(parse({"", "--off"})->arguments(), (Arguments{"", "--off"}));
}

TEST(FlagSet, ABoolNeverTakesTheNextArgument) {
    const auto flags = parse({"--off", "false", "cmd"});
    ASSERT_TRUE(flags);
    EXPECT_TRUE(flags->boolean("off"));
    EXPECT_EQ(flags->arguments(), (Arguments{"false", "cmd"}));
}

TEST(FlagSet, BoolSpellings) {
    for (const std::string text : {"1", "t", "T", "true", "TRUE", "True"}) {
        EXPECT_TRUE(parse({"--off=" + text})->boolean("off")) << text;
    }
    for (const std::string text : {"0", "f", "F", "false", "FALSE", "False"}) {
        EXPECT_FALSE(parse({"--on=" + text})->boolean("on")) << text;
    }
    for (const std::string text : {"", "maybe", "yes", "tRUE", "01", " 1"}) {
        EXPECT_EQ(error_of({"--on=" + text}),
                  fmt::format("invalid boolean value \"{}\" for -on: parse error", text));
    }
}

TEST(FlagSet, LastScalarWinsAndListsAccumulate) {
    const auto flags = parse({"--text=a", "--list=1", "--text=b", "--list", "2", "--number=1",
                              "--number=2", "--on=false", "--on"});
    ASSERT_TRUE(flags);
    EXPECT_EQ(flags->text("text"), "b");
    EXPECT_EQ(flags->integer("number"), 2);
    EXPECT_TRUE(flags->boolean("on"));
    EXPECT_EQ(flags->list("list"), (Arguments{"1", "2"}));
}

TEST(FlagSet, ListsSplitAtCommasAndTrim) {
    EXPECT_EQ(parse({"-l", " a , b,c "})->list("list"), (Arguments{"a", "b", "c"}));
    EXPECT_EQ(parse({"--list="})->list("list"), (Arguments{""}));
    EXPECT_EQ(parse({"--list=a,"})->list("list"), (Arguments{"a", ""}));
}

TEST(FlagSet, AliasesAreTheSameFlag) {
    EXPECT_TRUE(parse({"-o"})->boolean("off"));
    EXPECT_TRUE(parse({"--o"})->given("off"));
    EXPECT_EQ(parse({"-l", "1", "-l", "2"})->list("list"), (Arguments{"1", "2"}));
}

TEST(FlagSet, Errors) {
    const struct {
        Arguments arguments;
        std::string error;
    } cases[] = {
        {{"-foo"}, "flag provided but not defined: -foo"},
        {{"--foo=1"}, "flag provided but not defined: -foo"},
        {{"-ol"}, "flag provided but not defined: -ol"},
        {{"--text"}, "flag needs an argument: -text"},
        {{"-l"}, "flag needs an argument: -l"},
        {{"--number", "abc"}, "invalid value \"abc\" for flag -number: parse error"},
        {{"--number="}, "invalid value \"\" for flag -number: parse error"},
        {{"--number=99999999999999999999"},
         "invalid value \"99999999999999999999\" for flag -number: value out of range"},
        {{"-o=maybe"}, "invalid boolean value \"maybe\" for -o: parse error"},
        {{"---off"}, "bad flag syntax: ---off"},
        {{"--=x"}, "bad flag syntax: --=x"},
        {{"-=x"}, "bad flag syntax: -=x"},
        {{"-l", "1", "--list", "2"}, "Cannot use two forms of the same flag: l list"},
        {{"--off", "-o", "cmd"}, "Cannot use two forms of the same flag: o off"},
        {{"--off", "-o", "-foo"}, "flag provided but not defined: -foo"},
    };
    for (const auto& one : cases) {
        EXPECT_EQ(error_of(one.arguments), one.error);
    }
}

TEST(FlagSet, UnknownNamesInOurOwnCodeStopTheProgram) {
    const auto flags = parse({});
    EXPECT_DEATH(static_cast<void>(flags->boolean("nothing")), "");
    EXPECT_DEATH(static_cast<void>(flags->boolean("text")), "");
}

TEST(GoInt, Accepts) {
    const struct {
        std::string text;
        std::int64_t value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"+5", 5},
        {"-5", -5},
        {"1500", 1500},
        {"0x5dc", 1500},
        {"0X5DC", 1500},
        {"-0x10", -16},
        {"0o17", 15},
        {"017", 15},
        {"0b101", 5},
        {"1_500", 1500},
        {"0x_5dc", 1500},
        {"0_17", 15},
        {"00", 0},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (const auto& one : cases) {
        const auto value = parse_go_int(one.text);
        ASSERT_TRUE(value) << one.text;
        EXPECT_EQ(*value, one.value) << one.text;
    }
}

TEST(GoInt, Refuses) {
    for (const std::string text :
         {"",   "+",    "-",      "abc", "0x", "0b", "0o",  "0b2", "08",  "0o8", "1_",
          "_1", "1__0", "0x5dc_", "--1", " 1", "1 ", "1.5", "1e3", "0x_", "0_",  "12a"}) {
        const auto value = parse_go_int(text);
        ASSERT_FALSE(value) << text;
        EXPECT_EQ(value.error().message, "parse error") << text;
    }
    for (const std::string text : {"9223372036854775808", "-9223372036854775809",
                                   "18446744073709551616", "0x10000000000000000"}) {
        const auto value = parse_go_int(text);
        ASSERT_FALSE(value) << text;
        EXPECT_EQ(value.error().message, "value out of range") << text;
    }
}

}  // namespace
}  // namespace rk::tools
