// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <string_view>

namespace rk::drivers {

/// Which address is dialled inside for a port of `parent_ip` and `child_ip` ("" = not given):
///
///   * the child address where there is one, IPv4-mapped as IPv4;
///   * otherwise the parent's address where it is a loopback address: 127.0.0.2 and ::1 are local
///     inside too, and a service may listen on just that one;
///   * otherwise the loopback address of the parent address' family: a wildcard or an address of
///   the
///     host's interfaces means nothing inside. "" counts as IPv4.
///
/// The family follows the address alone: a dual-stack listener ("") serves IPv6 clients from
/// 127.0.0.1, too, and an IPv4 listener may serve from an IPv6 child address.
[[nodiscard]] model::IpAddress child_address(std::string_view parent_ip, std::string_view child_ip);

}  // namespace rk::drivers
