// SPDX-License-Identifier: Apache-2.0
//
// Names and numbers inside the gateway's network namespace. Nobody else lives there, so none can
// collide with the user's.
#pragma once

#include <cstdint>
#include <string_view>

namespace rk::gateway {

/// The gateway's end of the veth pair.
inline constexpr std::string_view kDevice = "gw0";
inline constexpr std::string_view kTable = "rootlesskit";
/// All packets from kDevice are delivered locally by this routing table.
inline constexpr std::uint32_t kRoutingTable = 100;
inline constexpr std::uint32_t kRulePriority = 100;
/// For what the gateway sends itself (IPv4): first the ways out, then what is local.
inline constexpr std::uint32_t kMainPriority = 200;
inline constexpr std::uint32_t kLocalPriority = 300;
/// Port of the transparent sockets. What is sent to it is treated like any other destination.
inline constexpr std::uint16_t kProxyPort = 1;
inline constexpr std::uint16_t kDnsPort = 53;
inline constexpr std::uint16_t kFirstQueue = 0;

/// Marks that a verdict writes on a held packet: what the rule set does with it.
enum class Mark : std::uint32_t {
    kPass = 0,     // a connection: to the transparent listener; an echo: answered
    kReset = 1,    // TCP's reset
    kNoRoute = 2,  // ICMP errors, of either family
    kHostUnreachable = 3,
    kProhibited = 4,
};

}  // namespace rk::gateway
