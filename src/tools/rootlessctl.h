// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/environment.h"
#include "tools/flag_set.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rk::tools {

/// One command of `rootlessctl`: the table that parsing, help and completions work from.
struct ControlCommand {
    std::string_view name;
    std::string_view summary;
    std::string_view arguments;  // as shown in its usage line
    std::span<const FlagDefinition> flags;
};
[[nodiscard]] std::span<const ControlCommand> control_commands();
/// The flags in front of the command.
[[nodiscard]] std::span<const FlagDefinition> control_flags();

/// Runs `rootlessctl`, argv[0] included. Prints results to standard output as they come, errors to
/// standard error; returns the exit code.
[[nodiscard]] int run_rootlessctl(const std::vector<std::string>& argv,
                                  const sys::Environment& environment, std::string_view version);

}  // namespace rk::tools
