// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// From the sockets that wait inside to the ports that the host's loopback is to have. Pure.
//
//   * IPv4 sockets want 127.0.0.1:PORT, IPv6 sockets [::1]:PORT, and an IPv6 wildcard that takes
//     IPv4 clients as well wants both.
//   * UDP ports of the ephemeral range are clients', and left out. TCP listeners never are.
//   * What a client of this host cannot reach by a plain call is left out: sockets with a peer, on
//     one interface only, on multicast or link-local addresses.
//   * Where several sockets wait on one port, the wildcard is called, or else 127.0.0.1 (::1), or
//     else the lowest address.
//
// No more than kMaxImplicitPorts are wanted, those with the lowest numbers: which ones they are
// does not depend on the kernel's order, and no namespace makes this set large.
#pragma once

#include "drivers/port/listen.h"
#include "model/endpoint.h"
#include "wire/sock_diag.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace rk::drivers {

/// Sockets and IDs of the host that one namespace may take (a port is one of each).
inline constexpr std::size_t kMaxImplicitPorts = 1024;

enum class LoopbackFamily : std::uint8_t { kIpv4, kIpv6 };

/// A port of the host's loopback, in the order in which they are wanted.
struct ImplicitPort {
    std::uint16_t port = 0;
    SocketKind kind = SocketKind::kTcp;
    LoopbackFamily family = LoopbackFamily::kIpv4;

    /// "127.0.0.1:8080/tcp", "[::1]:53/udp".
    [[nodiscard]] std::string text() const;
    /// 127.0.0.1 or ::1.
    [[nodiscard]] model::IpAddress address() const;
    friend bool operator==(const ImplicitPort&, const ImplicitPort&) = default;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 stumbles over <=>
    friend auto operator<=>(const ImplicitPort&, const ImplicitPort&) = default;
};

/// With what is called inside; unspecified: whatever address the namespace has.
using ImplicitTargets = std::map<ImplicitPort, model::IpAddress>;

/// net.ipv4.ip_local_port_range.
struct EphemeralPorts {
    std::uint16_t first = 32768;
    std::uint16_t last = 60999;

    [[nodiscard]] bool contain(std::uint16_t port) const { return first <= port && port <= last; }
    friend bool operator==(const EphemeralPorts&, const EphemeralPorts&) = default;
};

/// The content of the sysctl's file; the kernel's default where it makes no sense.
[[nodiscard]] EphemeralPorts parse_ephemeral_ports(std::string_view text);

/// Collects what one look at the namespace shows.
class WantedPorts {
 public:
    WantedPorts(EphemeralPorts ephemeral, bool host_has_ipv6)
        : ephemeral_(ephemeral), host_has_ipv6_(host_has_ipv6) {}

    void add(SocketKind kind, const wire::WaitingSocket& socket);
    [[nodiscard]] const ImplicitTargets& targets() const { return targets_; }
    /// Whether there were more than kMaxImplicitPorts.
    [[nodiscard]] bool overflown() const { return overflown_; }

 private:
    void want(const ImplicitPort& port, const model::IpAddress& target);

    EphemeralPorts ephemeral_;
    bool host_has_ipv6_;
    ImplicitTargets targets_;
    bool overflown_ = false;
};

}  // namespace rk::drivers
