// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rk::sys {

/// The capabilities this program asks about; numbers of capabilities(7).
enum class Capability { kNetBindService = 10, kNetAdmin = 12, kSysAdmin = 21 };

/// Whether it is in the effective set of this process.
[[nodiscard]] bool has_effective_capability(Capability capability);

}  // namespace rk::sys
