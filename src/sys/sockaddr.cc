// SPDX-License-Identifier: Apache-2.0
#include "sys/sockaddr.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace rk::sys {

namespace {

template <typename T>
SocketAddress in_storage(const T& address) {
    SocketAddress result;
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
    return result;
}

Result<model::Endpoint> ask(FdRef socket, int (*call)(int, sockaddr*, socklen_t*),
                            const char* name) {
    SocketAddress address = SocketAddress::empty();
    if (call(socket.number(), address.get(), &address.length) < 0) {
        return fail(errno_error(errno, name));
    }
    const auto endpoint = from_sockaddr(address.storage, address.length);
    if (!endpoint) {
        return fail(errno_error(EAFNOSUPPORT, name));
    }
    return *endpoint;
}

}  // namespace

const sockaddr* SocketAddress::get() const {
    return reinterpret_cast<const sockaddr*>(&storage);  // NOLINT(*-reinterpret-cast): kernel ABI
}

sockaddr* SocketAddress::get() {
    return reinterpret_cast<sockaddr*>(&storage);  // NOLINT(*-reinterpret-cast): kernel ABI
}

SocketAddress SocketAddress::empty() {
    SocketAddress address;
    address.length = sizeof address.storage;
    return address;
}

std::optional<SocketAddress> to_sockaddr(const model::Endpoint& endpoint, int family) {
    if (family == AF_INET6) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(endpoint.port);
        std::memcpy(&address.sin6_addr, endpoint.address.bytes().data(), sizeof address.sin6_addr);
        return in_storage(address);
    }
    if (family != AF_INET || !endpoint.address.is_v4()) {
        return std::nullopt;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    address.sin_addr.s_addr = htonl(endpoint.address.to_v4());
    return in_storage(address);
}

SocketAddress to_sockaddr(const model::Endpoint& endpoint) {
    const int family = endpoint.address.is_v4() ? AF_INET : AF_INET6;
    return to_sockaddr(endpoint, family).value_or(SocketAddress{});
}

std::optional<model::Endpoint> from_sockaddr(const sockaddr_storage& storage, socklen_t length) {
    if (storage.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
        sockaddr_in address{};
        std::memcpy(&address, &storage, sizeof address);
        return model::Endpoint{model::IpAddress::v4(ntohl(address.sin_addr.s_addr)),
                               ntohs(address.sin_port)};
    }
    if (storage.ss_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        sockaddr_in6 address{};
        std::memcpy(&address, &storage, sizeof address);
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
        return model::Endpoint{model::IpAddress(bytes), ntohs(address.sin6_port)};
    }
    return std::nullopt;
}

Result<model::Endpoint> local_endpoint(FdRef socket) {
    return ask(socket, ::getsockname, "getsockname");
}

Result<model::Endpoint> peer_endpoint(FdRef socket) {
    return ask(socket, ::getpeername, "getpeername");
}

}  // namespace rk::sys
