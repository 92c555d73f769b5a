// SPDX-License-Identifier: Apache-2.0
#include "relay/socket_address.h"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

namespace rk::relay {

SocketAddress::SocketAddress(const model::Endpoint& endpoint, std::uint32_t scope)
    : SocketAddress(endpoint, family_of(endpoint.address), scope) {}

// NOLINTNEXTLINE(*-member-init): v6 is the largest of the union
SocketAddress::SocketAddress(const model::Endpoint& endpoint, int family, std::uint32_t scope)
    : v6{} {
    if (family == AF_INET) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        v4.sin_addr.s_addr = htonl(endpoint.address.to_v4());
        length = sizeof v4;
        return;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    v6.sin6_scope_id = scope;
    std::copy(endpoint.address.bytes().begin(), endpoint.address.bytes().end(),
              static_cast<std::uint8_t*>(v6.sin6_addr.s6_addr));
}

model::Endpoint SocketAddress::endpoint() const {
    if (any.sa_family == AF_INET) {
        return {.address = ip_address(v4.sin_addr), .port = ntohs(v4.sin_port)};
    }
    return {.address = ip_address(v6.sin6_addr), .port = ntohs(v6.sin6_port)};
}

model::IpAddress ip_address(const in_addr& address) {
    return model::IpAddress::v4(ntohl(address.s_addr));
}

model::IpAddress ip_address(const in6_addr& address) {
    std::array<std::uint8_t, 16> bytes{};
    std::copy_n(static_cast<const std::uint8_t*>(address.s6_addr), bytes.size(), bytes.begin());
    return model::IpAddress(bytes);
}

bool is_link_local_v6(const model::IpAddress& address) {
    const auto& bytes = address.bytes();
    return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
}

bool is_multicast_or_broadcast(const model::IpAddress& address) {
    if (!address.is_v4()) {
        return address.bytes()[0] == 0xff;
    }
    return (address.to_v4() >> 28U) == 0xe || address.to_v4() == 0xffffffffU;
}

}  // namespace rk::relay
