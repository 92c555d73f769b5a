// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/environment.h"

#include <sys/types.h>

namespace rk::launch {

/// Whether systemd handed sockets to process `self` (sd_listen_fds(3)): LISTEN_PID is exactly that
/// process and LISTEN_FDS is a positive number. Descriptors 3 and on then go to the command, whose
/// LISTEN_PID will be its own. In any other case LISTEN_* belong to somebody else and pass
/// unchanged.
[[nodiscard]] bool is_socket_activated(const sys::Environment& environment, pid_t self);

}  // namespace rk::launch
