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

#include <optional>
#include <string_view>

namespace rk::gateway {

/// "xt-nfqueue", "nft-queue", "accept-first".
[[nodiscard]] std::string_view name_of(QueueMode mode);

/// The way of that name.
[[nodiscard]] std::optional<QueueMode> queue_mode_of(std::string_view name);

/// Installs the rules in the calling process' network namespace by a socket of it; the way of
/// holding is the first one from `plan.best_mode` on that the kernel knows. Fails with the error of
/// the last way: without nf_tables or its tproxy expression there is no gateway.
[[nodiscard]] Result<QueueMode> install_rules(sys::NetlinkSocket& netfilter, const Plan& plan);

}  // namespace rk::gateway
