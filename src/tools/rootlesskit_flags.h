// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/flag_set.h"

#include <span>

namespace rk::tools {

/// Every flag of `rootlesskit`: the table parsing, validation and help work from.
[[nodiscard]] std::span<const FlagDefinition> rootlesskit_flags();

}  // namespace rk::tools
