// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/flag_set.h"

#include <span>
#include <string>
#include <string_view>

namespace rk::tools {

/// What the help text says about a program besides its flags.
struct ProgramText {
    std::string_view name;
    std::string_view summary;
    std::string_view usage;
    std::string_view version;
    std::string_view description;  // lines without indentation
};

/// A default that is found out at run time and shown in place of the table's.
struct FoundDefault {
    std::string_view flag;
    std::string_view value;
};

/// The whole help text: NAME, USAGE, VERSION, DESCRIPTION, OPTIONS. Options are grouped by category
/// in alphabetical order; scripts look for flag names as separate words in it.
[[nodiscard]] std::string render_help(const ProgramText& program,
                                      std::span<const FlagDefinition> flags,
                                      std::span<const FoundDefault> found = {});

}  // namespace rk::tools
