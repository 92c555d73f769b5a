// SPDX-License-Identifier: Apache-2.0
#include "sys/capability.h"

#include <array>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::sys {

bool has_effective_capability(Capability capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};  // version 3 has 64 bits in two words
    if (::syscall(SYS_capget, &header, sets.data()) < 0) {
        return false;
    }
    const auto bit = static_cast<unsigned>(capability);
    return (sets.at(bit / 32).effective >> (bit % 32) & 1U) != 0;
}

}  // namespace rk::sys
