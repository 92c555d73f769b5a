// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "tools/flag_set.h"
#include "tools/validate.h"

#include <string>

namespace rk::tools {

/// The network and port part of validate(): everything from --mtu to --publish.
[[nodiscard]] Result<void> validate_network(const FlagSet& flags, Validated& validated);

/// Where distributions put lxc-user-nic: the first path that exists, or "".
[[nodiscard]] std::string find_lxc_user_nic();

}  // namespace rk::tools
