// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

namespace rk::relay {

/// Allows all threads of this process, now and later, only the system calls of the relay; needs
/// no_new_privs. Anything else kills the process, which its parent notices, except for a few calls
/// that libraries try and can do without: these fail.
[[nodiscard]] Result<void> filter_system_calls();

}  // namespace rk::relay
