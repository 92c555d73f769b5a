// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/options.h"
#include "tools/flag_set.h"

#include <string_view>

namespace rk::tools {

/// Reads --egress-deny and --egress-allow, which only some networks enforce; `network` is the value
/// of --net and options.network what it means. Rules that say the same are one.
[[nodiscard]] Result<void> validate_egress(const FlagSet& flags, std::string_view network,
                                           model::Options& options);

}  // namespace rk::tools
