// SPDX-License-Identifier: Apache-2.0
#include "sys/random.h"

#include <sys/random.h>

namespace rk::sys {

std::uint64_t random_u64() {
    std::uint64_t number = 0;
    // Fails only before the kernel has gathered entropy at its boot, and then waits.
    [[maybe_unused]] const auto filled = ::getrandom(&number, sizeof number, 0);
    return number;
}

std::uint32_t random_u32() {
    return static_cast<std::uint32_t>(random_u64());
}

}  // namespace rk::sys
