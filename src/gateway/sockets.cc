// SPDX-License-Identifier: Apache-2.0
#include "gateway/sockets.h"

#include "gateway/kernel_names.h"
#include "gateway/limits.h"
#include "sys/sockaddr.h"
#include "wire/nfqueue.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <variant>

#include <linux/icmp.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::gateway {

namespace {

Result<void> set_option(sys::FdRef socket, int level, int name, int value, const char* what) {
    if (::setsockopt(socket.number(), level, name, &value, sizeof value) < 0) {
        return fail(errno_error(errno, what));
    }
    return {};
}

Result<void> set_filter(sys::FdRef socket, const icmp6_filter& filter) {
    if (::setsockopt(socket.number(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) < 0) {
        return fail(errno_error(errno, "ICMP6_FILTER"));
    }
    return {};
}

Result<sys::Fd> open_socket(int family, int type) {
    sys::Fd socket(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) {
        return fail(errno_error(errno, "socket"));
    }
    if (family == AF_INET6) {
        TRY(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"));
    }
    return socket;
}

Result<void> make_transparent(sys::FdRef socket, int family) {
    return family == AF_INET
               ? set_option(socket, IPPROTO_IP, IP_TRANSPARENT, 1, "IP_TRANSPARENT")
               : set_option(socket, IPPROTO_IPV6, IPV6_TRANSPARENT, 1, "IPV6_TRANSPARENT");
}

Result<void> bind_to(sys::FdRef socket, const model::Endpoint& endpoint) {
    const sys::SocketAddress address = sys::to_sockaddr(endpoint);
    if (::bind(socket.number(), address.get(), address.length) < 0) {
        return fail(errno_error(errno, fmt::format("bind to {}", endpoint.text())));
    }
    return {};
}

model::IpAddress any_address(int family) {
    return family == AF_INET ? model::IpAddress::v4(0) : model::IpAddress();
}

Result<sys::Fd> open_listener(int family) {
    sys::Fd socket = TRY(open_socket(family, SOCK_STREAM));
    TRY(make_transparent(socket, family));
    TRY(bind_to(socket, {any_address(family), kProxyPort}));
    if (::listen(socket.number(), kBacklog) < 0) {
        return fail(errno_error(errno, "listen"));
    }
    return socket;
}

// One a worker on the same address: the kernel spreads the flows.
Result<sys::Fd> open_udp(int family, const model::Endpoint& endpoint) {
    sys::Fd socket = TRY(open_socket(family, SOCK_DGRAM));
    TRY(make_transparent(socket, family));
    TRY(set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
    TRY(bind_to(socket, endpoint));
    return socket;
}

// It only sends: everything that comes is filtered out.
Result<sys::Fd> open_icmp(const model::IpAddress& gateway) {
    const bool v4 = gateway.is_v4();
    sys::Fd socket(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                            v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
    if (!socket.valid()) {
        return fail(errno_error(errno, "socket"));
    }
    icmp6_filter none{};
    ICMP6_FILTER_SETBLOCKALL(&none);
    constexpr int kBlockAll = -1;
    TRY(v4 ? set_option(socket, SOL_RAW, ICMP_FILTER, kBlockAll, "ICMP_FILTER")
           : set_filter(socket, none));
    TRY(bind_to(socket, {gateway, 0}));
    return socket;
}

Result<void> open_worker(const Plan& plan, WorkerSockets& worker) {
    worker.udp4 = TRY(open_udp(AF_INET, {any_address(AF_INET), kProxyPort}));
    worker.dns4 = TRY(open_udp(AF_INET, {plan.v4.dns, kDnsPort}));
    if (plan.v6) {
        worker.udp6 = TRY(open_udp(AF_INET6, {any_address(AF_INET6), kProxyPort}));
        worker.dns6 = TRY(open_udp(AF_INET6, {plan.v6->dns, kDnsPort}));
    }
    return {};
}

// Sends one configuration message and waits for its acknowledgement.
Result<void> configure(sys::FdRef socket, std::span<const std::byte> message) {
    if (::send(socket.number(), message.data(), message.size(), 0) < 0) {
        return fail(errno_error(errno, "send to the queue"));
    }
    std::array<std::byte, 512> room{};
    const ssize_t got = ::recv(socket.number(), room.data(), room.size(), 0);
    if (got < 0) {
        return fail(errno_error(errno, "receive from the queue"));
    }
    wire::QueueReader reader{std::span(room).first(static_cast<std::size_t>(got))};
    const auto answer = reader.next();
    const auto* code = answer ? std::get_if<wire::QueueAnswer>(&*answer) : nullptr;
    if (code == nullptr || code->code != 0) {
        return fail(errno_error(code == nullptr ? EPROTO : code->code, "configure the queue"));
    }
    return {};
}

// The kernel handles a message within send(2), so its answer is there at once.
Result<sys::Fd> open_queue(std::uint16_t number) {
    sys::Fd socket(
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket.valid()) {
        return fail(errno_error(errno, "open a netlink socket"));
    }
    std::array<std::byte, wire::kMaxQueueMessage> room{};
    const auto sized = [&](std::size_t length) { return std::span(room).first(length); };
    TRY(configure(socket, sized(wire::put_queue_bind(room, 1, number))));
    TRY(configure(socket, sized(wire::put_queue_copy(room, 2, number, kQueuedBytes))));
    TRY(configure(socket, sized(wire::put_queue_length(room, 3, number, kMaxQueuedPackets))));
    TRY(configure(socket, sized(wire::put_queue_flags(room, 4, number))));
    // A full socket buffer loses held packets, which then wait for their retransmission.
    TRY(set_option(socket, SOL_SOCKET, SO_RCVBUF, kQueueSocketBytes, "SO_RCVBUF"));
    TRY(set_option(socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1, "NETLINK_NO_ENOBUFS"));
    return socket;
}

}  // namespace

Result<void> open_transparent_sockets(const Plan& plan, Sockets& sockets) {
    sockets.tcp4 = TRY_CTX(open_listener(AF_INET), "open the transparent listener");
    if (plan.v6) {
        sockets.tcp6 = TRY_CTX(open_listener(AF_INET6), "open the transparent IPv6 listener");
    }
    sockets.icmp4 = TRY_CTX(open_icmp(plan.v4.gateway), "open the ICMP socket");
    if (plan.v6) {
        sockets.icmp6 = TRY_CTX(open_icmp(plan.v6->gateway), "open the ICMPv6 socket");
    }
    for (unsigned i = 0; i < plan.workers; ++i) {
        TRY_CTX(open_worker(plan, sockets.workers.emplace_back()),
                "open the transparent UDP sockets");
    }
    return {};
}

Result<void> open_queues(const Plan& plan, Sockets& sockets) {
    for (unsigned i = 0; i < plan.workers; ++i) {
        const auto number = static_cast<std::uint16_t>(kFirstQueue + i);
        sockets.workers.at(i).queue = TRY_CTX(open_queue(number), "open queue {}", number);
    }
    return {};
}

}  // namespace rk::gateway
