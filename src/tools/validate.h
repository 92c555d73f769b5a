// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/options.h"
#include "tools/flag_set.h"

#include <string>
#include <vector>

namespace rk::tools {

/// What a valid command line asks for, and what the user should be told about it, in order.
struct Validated {
    model::Options options;
    std::vector<std::string> warnings;
};

/// Turns the flags of `rootlesskit` into options, or into the first thing that is wrong with them.
/// Nothing is created and nothing outside is asked, but for the current directory where a path is
/// relative and, with --net=lxc-user-nic only, where that program is.
[[nodiscard]] Result<Validated> validate(const FlagSet& flags);

}  // namespace rk::tools
