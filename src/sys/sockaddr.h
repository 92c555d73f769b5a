// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "sys/fd.h"

#include <cstdint>
#include <optional>

#include <sys/socket.h>

namespace rk::sys {

/// An address as system calls take it.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const;
    [[nodiscard]] sockaddr* get();
    /// For system calls that fill it in: the whole storage.
    [[nodiscard]] static SocketAddress empty();
};

/// For a socket of `family` (AF_INET or AF_INET6). An IPv4 address on an AF_INET6 socket is written
/// v4-mapped; an IPv6 address does not fit an AF_INET socket, which gives an empty value.
[[nodiscard]] std::optional<SocketAddress> to_sockaddr(const model::Endpoint& endpoint, int family);
/// For a socket of the address' own family.
[[nodiscard]] SocketAddress to_sockaddr(const model::Endpoint& endpoint);

/// Empty where it is neither an IPv4 nor an IPv6 address. Drops the zone.
[[nodiscard]] std::optional<model::Endpoint> from_sockaddr(const sockaddr_storage& storage,
                                                           socklen_t length);

/// getsockname(2) and getpeername(2).
[[nodiscard]] Result<model::Endpoint> local_endpoint(FdRef socket);
[[nodiscard]] Result<model::Endpoint> peer_endpoint(FdRef socket);

}  // namespace rk::sys
