// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace rk::sys {

/// Numbers nobody can guess, by getrandom(2).
[[nodiscard]] std::uint64_t random_u64();
[[nodiscard]] std::uint32_t random_u32();

}  // namespace rk::sys
