// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rk::tools {

enum class FlagType { kBool, kString, kInt, kList };

/// One line of a program's table of flags.
struct FlagDefinition {
    std::string_view name;   // without dashes
    std::string_view alias;  // one letter, "" = none
    FlagType type = FlagType::kBool;
    std::string_view initial;  // default as text: "", "true", "0"; kList has none
    std::string_view category;
    std::string_view help;
    bool show_default = true;  // whether the help text ends in "(default: ...)"
};

/// The flags of one command line, parsed.
///
/// A getter's name must be in the table and of the getter's type; anything else is a bug and stops
/// the program.
class FlagSet {
 public:
    /// Parses arguments (without argv[0]) against a table, which must outlive the set. Errors are
    /// Go's, without a prefix: `flag provided but not defined: -foo`.
    [[nodiscard]] static Result<FlagSet> parse(std::span<const FlagDefinition> definitions,
                                               std::span<const std::string> arguments);

    [[nodiscard]] bool boolean(std::string_view name) const;
    [[nodiscard]] std::int64_t integer(std::string_view name) const;
    [[nodiscard]] const std::string& text(std::string_view name) const;
    [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;
    /// Whether the flag was on the command line, under either name.
    [[nodiscard]] bool given(std::string_view name) const;

    /// What follows the flags, unmodified.
    [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }

 private:
    struct Value {
        bool boolean = false;
        std::int64_t integer = 0;
        std::string text;
        std::vector<std::string> list;
        bool given_by_name = false;
        bool given_by_alias = false;
    };

    explicit FlagSet(std::span<const FlagDefinition> definitions);
    [[nodiscard]] Result<std::size_t> take_flag(std::span<const std::string> arguments);
    [[nodiscard]] Result<void> store(std::size_t index, std::string_view name,
                                     std::string_view text);
    [[nodiscard]] Result<void> check_two_forms() const;
    [[nodiscard]] const Value& value(std::string_view name, FlagType type) const;

    std::span<const FlagDefinition> definitions_;
    std::vector<Value> values_;  // same order as definitions_
    std::vector<std::string> arguments_;
};

/// Go's strconv.ParseInt(text, 0, 64): sign, 0x/0o/0b/0 prefixes, '_' between digits. The error is
/// "parse error" or, past 64 bits, "value out of range".
[[nodiscard]] Result<std::int64_t> parse_go_int(std::string_view text);

/// Go's strconv.ParseBool. The error is "parse error".
[[nodiscard]] Result<bool> parse_go_bool(std::string_view text);

}  // namespace rk::tools
