// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Two chains at prerouting see what comes from the namespace, in this order:
//
//   hold (raw)      a new connection's SYN, and echo requests that are not for the gateway itself,
//                   wait in a queue for the relay's verdict
//   steer (mangle)  the mark of the verdict: refused ones are rejected here; new connections go to
//                   the transparent listener, datagrams to the transparent UDP sockets
//
// All other packets of connections find their socket by the routing rule alone (links.h). No
// connection tracking: no rule asks for it, so the kernel never turns it on here.
#pragma once

#include "base/result.h"
#include "gateway/plan.h"
#include "sys/netlink_request.h"

#include <string_view>

namespace rk::gateway {

/// How SYNs are held. kAcceptFirst: they are not, where the kernel cannot queue: connections are
/// accepted before it is known whether there is somebody at the other end.
///
/// In the order of trying. A way that the kernel does not know costs a grace period of RCU, which
/// is longer than all the rest (measured: 11 ms), so the first one should be the one that nearly
/// every kernel has; Debian's cloud and many small kernels are built without nf_tables' own
/// expression.
enum class QueueMode : unsigned char { kXtables, kNft, kAcceptFirst };

/// "xt-nfqueue", "nft-queue", "accept-first".
[[nodiscard]] std::string_view name_of(QueueMode mode);

/// Installs the rules in the calling process' network namespace by a socket of it. `best`: the
/// first way to try. Fails with the error of the last way: without nf_tables or its tproxy
/// expression there is no gateway.
[[nodiscard]] Result<QueueMode> install_rules(sys::NetlinkSocket& netfilter, const Plan& plan,
                                              QueueMode best = QueueMode::kXtables);

}  // namespace rk::gateway
