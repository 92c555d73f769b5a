// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/options.h"
#include "tools/help.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rk::tools {

/// A command is to be run. The warnings are for the log, in this order.
struct Run {
    model::Options options;
    std::vector<std::string> warnings;
};

/// The program ends at once: print `to_stdout` as it is, then the fatal line unless `fatal` is
/// empty.
struct Exit {
    int code = 0;
    std::string to_stdout;
    std::string fatal;
};

using CommandLineResult = std::variant<Run, Exit>;

/// Reads the command line of `rootlesskit`, argv[0] included. Parent and child both call it and
/// come to the same result. `version` is like "3.3.0+cxx.0.1.0".
[[nodiscard]] CommandLineResult parse_command_line(const std::vector<std::string>& argv,
                                                   std::string_view version);

/// The name and texts of `rootlesskit` for render_help().
[[nodiscard]] ProgramText rootlesskit_text(std::string_view version);

/// "major", "minor" or "patch" of a semantic version. Errors: another component's name, and a
/// version that has no such number.
[[nodiscard]] Result<std::uint64_t> semver_component(std::string_view version,
                                                     std::string_view component);

}  // namespace rk::tools
