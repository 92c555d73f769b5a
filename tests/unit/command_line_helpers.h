// SPDX-License-Identifier: Apache-2.0
// How the tests of the command line write their cases.
#pragma once

#include "base/text.h"
#include "tools/command_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

namespace rk::tools::testing_helpers {

inline constexpr std::string_view kVersion = "3.3.0+cxx.0.1.0";
// Arguments are split at blanks; '~' stands for a blank and '^' for an empty argument.
inline CommandLineResult parse(std::string_view line) {
    std::vector<std::string> argv = {"rootlesskit"};
    for (const std::string_view word : split_blanks(line)) {
        std::string argument(word == "^" ? "" : word);
        std::replace(argument.begin(), argument.end(), '~', ' ');
        argv.push_back(std::move(argument));
    }
    return parse_command_line(argv, kVersion);
}

inline Run run_of(std::string_view line) {
    CommandLineResult result = parse(line);
    if (const Exit* exit = std::get_if<Exit>(&result)) {
        ADD_FAILURE() << line << ": " << exit->fatal;
        return {};
    }
    return std::get<Run>(std::move(result));
}

inline Exit exit_of(std::string_view line) {
    CommandLineResult result = parse(line);
    if (std::holds_alternative<Run>(result)) {
        ADD_FAILURE() << line << ": would run";
        return {};
    }
    return std::get<Exit>(std::move(result));
}

struct ErrorCase {
    std::string_view line;
    std::string_view error;
};

inline void expect_errors(std::initializer_list<ErrorCase> cases) {
    for (const ErrorCase& one : cases) {
        const Exit exit = exit_of(one.line);
        EXPECT_EQ(exit.fatal, one.error) << one.line;
        EXPECT_EQ(exit.code, 1) << one.line;
        EXPECT_EQ(exit.to_stdout, "") << one.line;
    }
}

}  // namespace rk::tools::testing_helpers
