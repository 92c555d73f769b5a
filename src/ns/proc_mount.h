// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"

namespace rk::ns {

/// Mounts a procfs of the own PID namespace on /proc: read-write, else read-only. Where neither is
/// allowed (the kernel refuses it in containers whose /proc is partly masked) it warns and leaves
/// /proc as it is; most commands can live with that.
void mount_proc(const Logger& logger);

}  // namespace rk::ns
