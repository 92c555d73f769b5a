// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/environment.h"

#include <cstdint>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

/// Whether systemd handed sockets to process `self` (sd_listen_fds(3)): LISTEN_PID is exactly that
/// process and LISTEN_FDS is a positive number. Descriptors 3 and on then go to the command, whose
/// LISTEN_PID will be its own. In any other case LISTEN_* belong to somebody else and pass
/// unchanged.
[[nodiscard]] bool is_socket_activated(const sys::Environment& environment, pid_t self);

/// Takes the sockets at these places (0 is descriptor 3), which are published as ports, out of what
/// an activated command gets: it would accept connections that are meant for services inside. Those
/// that are left move together, in descriptors, LISTEN_FDS and LISTEN_FDNAMES. False where nothing
/// is left: there are no LISTEN_* any more.
[[nodiscard]] bool withhold_sockets(sys::Environment& environment,
                                    const std::vector<std::uint16_t>& withheld);

}  // namespace rk::launch
