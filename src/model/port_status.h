// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/port_spec.h"

#include <cstdint>
#include <vector>

namespace rk::model {

/// A published port with the ID it is known by.
struct PortStatus {
    int id = 0;
    PortSpec spec;
};

/// What the data plane counts for one published port since it was added.
struct PortCounters {
    int id = 0;
    std::uint64_t accepted = 0;   // TCP connections, or UDP flows made
    std::uint64_t active = 0;     // now
    std::uint64_t refused = 0;    // the service inside did not accept
    std::uint64_t errors = 0;     // other failures, also of accept(2) at the fd limit
    std::uint64_t bytes_in = 0;   // from clients to the namespace
    std::uint64_t bytes_out = 0;  // back
    std::uint64_t dropped = 0;    // datagrams, or connections refused at a limit
};

/// The relay process as a whole.
struct RelayHealth {
    bool running = false;
    int pid = 0;
    std::uint64_t restarts = 0;
    std::uint64_t open_connections = 0;
    std::uint64_t udp_flows = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t fd_limit = 0;
};

}  // namespace rk::model
