// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

namespace rk::sys {

/// Sets IFF_UP on the loopback device of the calling process' network namespace by rtnetlink(7).
/// The kernel then gives it 127.0.0.1/8 and ::1/128 by itself. Error: "bring up lo: why".
[[nodiscard]] Result<void> bring_up_loopback();

}  // namespace rk::sys
