// SPDX-License-Identifier: Apache-2.0
#include "gateway/udp_errors.h"

#include "gateway/limits.h"
#include "relay/socket_address.h"
#include "wire/icmp_error.h"

#include <array>
#include <cerrno>
#include <optional>

#include <sys/socket.h>

namespace rk::gateway {

namespace {

std::optional<wire::Unreachable> reason_of(int code) {
    switch (code) {
        case ECONNREFUSED:
            return wire::Unreachable::kPort;
        case ENETUNREACH:
        case ENETDOWN:
            return wire::Unreachable::kNetwork;
        case EHOSTUNREACH:
        case EHOSTDOWN:
            return wire::Unreachable::kHost;
        case EACCES:
        case EPERM:
            return wire::Unreachable::kProhibited;
        default:
            return std::nullopt;
    }
}

}  // namespace

void UdpErrors::tell(const FlowKey& flow, int code, std::int64_t now) {
    const auto reason = reason_of(code);
    const sys::FdRef socket = flow.inside.address.is_v4() ? sockets_.icmp4 : sockets_.icmp6;
    if (!reason || socket.number() < 0) {
        return;
    }
    if (now / 1000 != second_) {
        second_ = now / 1000;
        told_ = 0;
    }
    if (++told_ > kErrorsPerSecond) {
        return;
    }
    std::array<std::byte, wire::kMaxIcmpError> message{};
    const std::size_t size = wire::put_icmp_error(message, *reason, flow.inside, flow.asked);
    const relay::SocketAddress to(model::Endpoint{flow.inside.address, 0});
    static_cast<void>(::sendto(socket.number(), message.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL,
                               &to.any, to.length));
}

}  // namespace rk::gateway
