// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rk::gateway {

/// How SYNs are held. kAcceptFirst: they are not, where the kernel cannot queue: connections are
/// accepted before it is known whether there is somebody at the other end.
///
/// In the order of trying. A way that the kernel does not know costs a grace period of RCU, which
/// is longer than all the rest (measured: 11 ms), so the first one should be the one that nearly
/// every kernel has; Debian's cloud and many small kernels are built without nf_tables' own
/// expression.
enum class QueueMode : unsigned char { kXtables, kNft, kAcceptFirst };

/// The addresses of one family: the namespace's, and the router's two.
struct FamilyPlan {
    model::IpAddress address;  // of the namespace
    std::uint8_t prefix = 0;
    model::IpAddress gateway;
    model::IpAddress dns;  // may be the gateway's
};

/// The builtin network as it is to be.
struct Plan {
    std::string device;     // the interface's name in the namespace
    std::uint32_t mtu = 0;  // bytes
    FamilyPlan v4;
    std::optional<FamilyPlan> v6;
    bool watch_sockets = false;                 // whether the parent lists the namespace's sockets
    QueueMode best_mode = QueueMode::kXtables;  // the first way to try
    unsigned workers = 1;  // threads of the relay; each has its own queue and UDP sockets
};

}  // namespace rk::gateway
