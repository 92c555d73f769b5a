// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A veth pair joins the namespace with the gateway's. The namespace's end looks like the tap
// interface of other drivers: same name, addresses and default route. Behind the gateway's end
// there is nothing but our sockets: a routing rule delivers *every* packet that comes from the
// namespace locally, whatever its destination, and the sockets are transparent, so they may be
// bound to any address. That also brings back what is sent to the foreign addresses our sockets
// speak from, without a mark on any packet.
#pragma once

#include "base/result.h"
#include "gateway/plan.h"
#include "sys/fd.h"
#include "sys/netlink_request.h"

namespace rk::gateway {

/// Makes the pair, and sets up the namespace's end. `routing` is a socket of the namespace,
/// `gateway_netns` the other namespace. Error: "create interface tap0: why".
[[nodiscard]] Result<void> create_links(sys::NetlinkSocket& routing, sys::FdRef gateway_netns,
                                        const Plan& plan);

/// Gives the gateway's end its addresses and the routing rule. Call in the gateway's network
/// namespace, with `routing` a socket of it, after create_links().
[[nodiscard]] Result<void> set_up_gateway_link(sys::NetlinkSocket& routing, const Plan& plan);

/// Brings the namespace's end up, with addresses and default routes; `index` is its interface
/// index. After set_up_gateway_link(): a link without its other end is down.
[[nodiscard]] Result<void> set_up_namespace_link(sys::NetlinkSocket& routing, const Plan& plan,
                                                 unsigned index);

}  // namespace rk::gateway
