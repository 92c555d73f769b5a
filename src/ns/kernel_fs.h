// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"

#include <string>

namespace rk::ns {

/// Mounts a filesystem that shows the kernel (procfs, sysfs): nosuid,nodev,noexec, read-write, else
/// read-only. Where neither is allowed it warns and returns false.
[[nodiscard]] bool mount_kernel_fs(const std::string& type, const std::string& target,
                                   const Logger& logger);

}  // namespace rk::ns
