// SPDX-License-Identifier: Apache-2.0
#include "sys/fd.h"

#include <unistd.h>

namespace rk::sys {

void Fd::reset() noexcept {
    if (valid()) {
        // close(2): the number is released even when EINTR is returned, so it is never retried.
        ::close(std::exchange(number_, kNone));
    }
}

}  // namespace rk::sys
