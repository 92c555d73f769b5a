// SPDX-License-Identifier: Apache-2.0
//
// The rtnetlink(7) requests of this program, each named after the command of ip(8) that sends it.
#pragma once

#include "model/endpoint.h"
#include "sys/fd.h"
#include "sys/netlink_request.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace rk::sys {

/// The loopback device is registered first in every network namespace (net/core/dev.c).
inline constexpr std::uint32_t kLoopbackIndex = 1;

/// ip link add NAME mtu MTU type veth peer name PEER netns PEER_NETNS mtu MTU
[[nodiscard]] NetlinkMessage add_veth(std::string_view name, std::string_view peer,
                                      FdRef peer_netns, std::uint32_t mtu);
/// ip link set dev INDEX up
[[nodiscard]] NetlinkMessage set_link_up(std::uint32_t index);
/// ip link set dev INDEX mtu MTU up
[[nodiscard]] NetlinkMessage set_link_up(std::uint32_t index, std::uint32_t mtu);
/// ip addr add ADDRESS/PREFIX dev INDEX nodad (the interface is ours alone: nothing to detect)
[[nodiscard]] NetlinkMessage add_address(std::uint32_t index, const model::IpAddress& address,
                                         std::uint8_t prefix);
/// ip route add default via GATEWAY dev INDEX
[[nodiscard]] NetlinkMessage add_default_route(std::uint32_t index,
                                               const model::IpAddress& gateway);
/// ip route add default via GATEWAY dev INDEX congctl CONGESTION
[[nodiscard]] NetlinkMessage add_default_route(std::uint32_t index, const model::IpAddress& gateway,
                                               std::string_view congestion);
/// ip route change PREFIX dev INDEX congctl CONGESTION: the route that came with an address.
[[nodiscard]] NetlinkMessage change_prefix_route(std::uint32_t index,
                                                 const model::IpAddress& address,
                                                 std::uint8_t prefix, std::string_view congestion);

/// ip addr del ADDRESS/PREFIX dev INDEX
[[nodiscard]] NetlinkMessage remove_address(std::uint32_t index, const model::IpAddress& address,
                                            std::uint8_t prefix);
/// ip route del default via GATEWAY dev INDEX
[[nodiscard]] NetlinkMessage remove_default_route(std::uint32_t index,
                                                  const model::IpAddress& gateway);

/// ip [-6] route add local default dev lo table TABLE. `family`: AF_INET, AF_INET6.
[[nodiscard]] NetlinkMessage add_local_default(std::uint8_t family, std::uint32_t table);
/// A rule that leads to `table` (below 256): for packets with a mark, or from an interface.
struct RoutingRule {
    std::uint8_t family = 0;
    std::uint32_t priority = 0;
    std::uint32_t table = 0;
    std::uint32_t mark = 0;  // 0: not asked for
    std::string interface;   // "": not asked for
};
/// ip [-6] rule add [fwmark MARK] [iif INTERFACE] lookup TABLE priority PRIORITY
[[nodiscard]] NetlinkMessage add_rule(const RoutingRule& rule);
/// ip [-6] rule del lookup TABLE priority PRIORITY; mark and interface are not looked at.
[[nodiscard]] NetlinkMessage remove_rule(const RoutingRule& rule);

}  // namespace rk::sys
