// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "gateway/plan.h"
#include "gateway/rule_set.h"
#include "sys/fd.h"

#include <vector>

namespace rk::gateway {

/// The sockets of one worker in the gateway's network namespace. Of a family that is not there: no
/// descriptor.
struct WorkerSockets {
    sys::Fd queue;  // netlink, bound to the worker's queue number; none with kAcceptFirst
    sys::Fd udp4;   // transparent, for datagrams to everywhere
    sys::Fd udp6;
    sys::Fd dns4;  // bound to the name server's address
    sys::Fd dns6;
};

/// What is made once, in the gateway's network namespace, and then only used. The parent keeps it
/// for the network's whole life, each relay process inherits it.
struct Sockets {
    QueueMode mode = QueueMode::kXtables;
    sys::Fd netns;  // the gateway's network namespace, which lives as long as somebody holds it
    sys::Fd tcp4;   // transparent listeners, for connections to everywhere
    sys::Fd tcp6;
    sys::Fd icmp4;  // raw, of the gateway's address, to send errors
    sys::Fd icmp6;
    /// Of the namespace behind the gateway, with Plan::watch_sockets; the relay has no use for
    /// them.
    sys::Fd diag;             // netlink, for socket diagnostics
    sys::Fd ephemeral_ports;  // its net.ipv4.ip_local_port_range; empty where /proc has none
    std::vector<WorkerSockets> workers;
};

/// Makes the listeners and UDP sockets in the calling process' network namespace, which has to be
/// the gateway's, with its addresses. Needs CAP_NET_ADMIN there.
[[nodiscard]] Result<void> open_transparent_sockets(const Plan& plan, Sockets& sockets);

/// Binds each worker's queue.
[[nodiscard]] Result<void> open_queues(const Plan& plan, Sockets& sockets);

}  // namespace rk::gateway
