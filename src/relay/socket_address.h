// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <cstdint>

#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::relay {

/// A socket address of either family, as the kernel wants it.
struct SocketAddress {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
    };
    socklen_t length = sizeof(sockaddr_in6);

    SocketAddress() : v6{} {}  // NOLINT(*-member-init): the largest of the union
    /// Of the endpoint's own family; `scope` is the interface of a link-local address.
    explicit SocketAddress(const model::Endpoint& endpoint, std::uint32_t scope = 0);
    /// For a socket of that family: on AF_INET6 sockets IPv4 addresses are written v4-mapped.
    SocketAddress(const model::Endpoint& endpoint, int family, std::uint32_t scope);

    [[nodiscard]] model::Endpoint endpoint() const;
    [[nodiscard]] std::uint32_t scope() const {
        return any.sa_family == AF_INET6 ? v6.sin6_scope_id : 0;
    }
};

/// The family of the sockets that reach an address.
[[nodiscard]] inline int family_of(const model::IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

[[nodiscard]] model::IpAddress ip_address(const in_addr& address);
[[nodiscard]] model::IpAddress ip_address(const in6_addr& address);

/// fe80::/10: means nothing without its interface.
[[nodiscard]] bool is_link_local_v6(const model::IpAddress& address);
/// Multicast and 255.255.255.255, which no datagram may come from.
[[nodiscard]] bool is_multicast_or_broadcast(const model::IpAddress& address);

}  // namespace rk::relay
