// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/parts.h"
#include "sys/fd.h"

#include <cstddef>
#include <cstdint>

namespace rk::relay {

/// Limits of one relay process. Every one has its reason where it is set by default.
struct RelayLimits {
    unsigned workers = 0;                    // threads with an epoll loop each; 0 = min(cores, 4)
    std::size_t max_connections = 0;         // TCP; 0 = what the fd limit allows
    std::size_t max_udp_flows = 16384;       // all ports together; least recently used goes first
    std::uint32_t udp_flow_idle_ms = 90000;  // since the last datagram in either direction
    std::uint32_t connect_timeout_ms = 0;    // to the service inside; 0 = the kernel's own
};

/// The threads that run() will have.
[[nodiscard]] unsigned worker_count(const RelayLimits& limits);

/// Runs the data plane in this process until the channel's other end is gone. The caller has put
/// the process into the network namespace it dials in (or given other sources of sockets), and has
/// dropped what it can; run() only needs CAP_NET_ADMIN there for transparent sources. Listening
/// sockets arrive over the channel (wire/relay_channel.h) or are local ones of `parts`. Returns
/// only after an error of the set-up or EOF.
[[nodiscard]] Result<void> run(sys::Fd channel, const RelayLimits& limits,
                               const RelayParts& parts = {});

}  // namespace rk::relay
