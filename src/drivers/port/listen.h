// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "model/port_spec.h"
#include "sys/fd.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk::drivers {

enum class SocketFamily { kIpv4, kIpv6Only, kDualStack };
enum class SocketKind { kTcp, kUdp };

/// Which socket a protocol and an address ask for, as Go's net.Listen decides it.
struct ListenPlan {
    SocketKind kind = SocketKind::kTcp;
    SocketFamily family = SocketFamily::kDualStack;
    model::IpAddress address;
};

/// A socket of the host that connections or datagrams come in by: nonblocking, close-on-exec.
struct Listener {
    sys::Fd socket;
    std::uint16_t port = 0;
    std::optional<std::uint16_t> inherited{};  // the place of the one it is a copy of
};

/// "tcp6" -> kTcp. Error: "unsupported port protocol sctp".
[[nodiscard]] Result<SocketKind> socket_kind(std::string_view proto);

/// "tcp" and "udp" on a wildcard address take IPv4 and IPv6 by one socket (only IPv4 where the host
/// has no IPv6), "tcp4" and "udp4" IPv4, "tcp6" and "udp6" IPv6 alone; any other address has the
/// family it has. Error: "listen tcp6: address 127.0.0.1: no suitable address found".
[[nodiscard]] Result<ListenPlan> plan_listen(std::string_view proto, std::string_view ip,
                                             bool host_has_ipv6);

/// Whether a socket can be bound to ::1, which is how Go finds out.
[[nodiscard]] bool host_has_ipv6();

/// A TCP socket that listens or a UDP socket that tells each datagram's local address, bound to
/// `port` of the address of `spec` (0: a free one). Errors are Go's:
/// "listen tcp4 0.0.0.0:80: bind: permission denied".
[[nodiscard]] Result<Listener> listen_on(const model::PortSpec& spec, std::uint16_t port);

/// Makes a socket that is bound already fit for the relay: nonblocking, local addresses told (UDP).
[[nodiscard]] Result<void> prepare_for_relay(sys::FdRef socket, SocketKind kind);

/// What to tell a user who may not listen on a privileged port.
struct PrivilegedPortAdvice {
    std::uint16_t port = 0;
    std::uint32_t first_unprivileged = 1024;  // net.ipv4.ip_unprivileged_port_start
    bool our_own_binary = true;               // a file capability on it would help
};
[[nodiscard]] std::string privileged_port_text(const PrivilegedPortAdvice& advice);

/// Puts that advice before a permission error of a privileged port; other errors stay as they are.
/// `argv0` is what this program was started as.
[[nodiscard]] Error explain_privileged_port(Error error, std::uint16_t port,
                                            std::string_view argv0);

}  // namespace rk::drivers
