// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "wire/relay_channel.h"

#include <optional>
#include <string_view>

namespace rk::drivers {

/// The namespace's addresses behind the gateway of the builtin network. Unspecified: it has none of
/// that family.
struct GatewayTargets {
    model::IpAddress child_v4;
    model::IpAddress child_v6;
};

/// Where a published port leads: an address, called from inside or from the gateway, and one that
/// is called from inside where that refuses.
struct PortTarget {
    model::IpAddress address;
    wire::Origin origin = wire::Origin::kInside;
    std::optional<model::IpAddress> fallback{};
};

/// Which address is called for a port of `parent_ip` and `child_ip` ("" = not given):
///
///   * the child address where there is one, IPv4-mapped as IPv4;
///   * otherwise the parent's address where it is a loopback address: 127.0.0.2 and ::1 are local
///     inside too, and a service may listen on just that one;
///   * otherwise the loopback address of the parent address' family: a wildcard or an address of
///     the host's interfaces means nothing inside. "" counts as IPv4.
///
/// The family follows the address alone: a dual-stack listener ("") serves IPv6 clients from
/// 127.0.0.1, too, and an IPv4 listener may serve from an IPv6 child address.
///
/// With a gateway the namespace's own address of that family comes first, called from the gateway,
/// and what these rules say is what it falls back on. Of the child addresses that are given, only
/// the namespace's own is called from the gateway, and nothing is fallen back on.
[[nodiscard]] PortTarget port_target(std::string_view parent_ip, std::string_view child_ip,
                                     const std::optional<GatewayTargets>& gateway);

}  // namespace rk::drivers
