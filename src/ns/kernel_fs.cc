// SPDX-License-Identifier: Apache-2.0
#include "ns/kernel_fs.h"

#include "sys/mount_calls.h"

#include <sys/mount.h>

namespace rk::ns {

bool mount_kernel_fs(const std::string& type, const std::string& target, const Logger& logger) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    const auto writable =
        sys::mount({.source = type, .target = target, .type = type, .flags = kFlags});
    if (writable) {
        return true;
    }
    // A read-only instance is allowed where the only visible one is read-only
    // (mount_too_revealing() in the kernel's fs/namespace.c).
    logger.warn("failed to mount {} on {}, trying it read-only: {}", type, target,
                writable.error().message);
    const auto read_only =
        sys::mount({.source = type, .target = target, .type = type, .flags = kFlags | MS_RDONLY});
    if (!read_only) {
        logger.warn("failed to mount read-only {} on {}, going on with the old one: {}", type,
                    target, read_only.error().message);
    }
    return read_only.has_value();
}

}  // namespace rk::ns
