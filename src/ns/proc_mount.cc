// SPDX-License-Identifier: Apache-2.0
#include "ns/proc_mount.h"

#include "ns/kernel_fs.h"

namespace rk::ns {

void mount_proc(const Logger& logger) {
    static_cast<void>(mount_kernel_fs("proc", "/proc", logger));  // it has warned
}

}  // namespace rk::ns
