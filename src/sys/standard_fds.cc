// SPDX-License-Identifier: Apache-2.0
#include "sys/standard_fds.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace rk::sys {

void open_missing_standard_fds() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            // The lowest free number is this one. Not close-on-exec: it stands for the caller's.
            static_cast<void>(::open("/dev/null", O_RDWR));  // NOLINT(android-cloexec-open)
        }
    }
}

}  // namespace rk::sys
