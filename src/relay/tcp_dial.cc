// SPDX-License-Identifier: Apache-2.0
#include "relay/tcp_dial.h"

#include "relay/limits.h"
#include "relay/socket_address.h"

#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rk::relay {

namespace {

constexpr std::string_view kLocalCongestion = "reno";

bool set_option(sys::FdRef socket, int level, int name, int value) {
    return ::setsockopt(socket.number(), level, name, &value, sizeof value) == 0;
}

// Before the connection is there: what BBR has begun to pace stays paced (measured: without gain).
void do_not_pace(sys::FdRef socket) {
    static_cast<void>(::setsockopt(socket.number(), IPPROTO_TCP, TCP_CONGESTION,
                                   kLocalCongestion.data(), kLocalCongestion.size()));
}

bool is_bound_to_loopback(sys::FdRef socket) {
    SocketAddress address;
    return ::getsockname(socket.number(), &address.any, &address.length) == 0 &&
           address.endpoint().address.is_loopback();
}

void tune(sys::FdRef socket) {
    static_cast<void>(set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1));
    static_cast<void>(set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleSeconds));
    static_cast<void>(set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1));
}

Dial begin(SocketSource& source, const model::Endpoint& target) {
    Dial call;
    call.socket = source.take(wire::Transport::kTcp, family_of(target.address));
    if (!call.socket.valid()) {
        call.code = errno;
        return call;
    }
    tune(call.socket);
    return call;
}

Dial begin_connect(Dial call, const model::Endpoint& target) {
    const SocketAddress address(target);
    if (call.code == 0 && ::connect(call.socket.number(), &address.any, address.length) < 0 &&
        errno != EINPROGRESS) {
        call.code = errno;
    }
    return call;
}

// SO_REUSEADDR: the last connection of the same client port may still be in TIME_WAIT here.
bool take_source(sys::FdRef socket, const model::Endpoint& client) {
    const bool v4 = client.address.is_v4();
    const SocketAddress address(client);
    return set_option(socket, v4 ? IPPROTO_IP : IPPROTO_IPV6,
                      v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, 1) &&
           set_option(socket, SOL_SOCKET, SO_MARK, kTransparentMark) &&
           set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1) &&
           ::bind(socket.number(), &address.any, address.length) == 0;
}

}  // namespace

Dial dial(SocketSource& source, const model::Endpoint& target) {
    return begin_connect(begin(source, target), target);
}

Dial dial_local(SocketSource& source, const model::Endpoint& target, LocalBuffers buffers) {
    Dial call = begin(source, target);
    if (call.code == 0) {
        if (buffers == LocalBuffers::kBounded) {
            keep_local(call.socket);
        }
        do_not_pace(call.socket);
    }
    return begin_connect(std::move(call), target);
}

Dial dial_local(const model::Endpoint& target) {
    DirectSource source;
    return dial_local(source, target, LocalBuffers::kKernels);
}

bool can_dial_as(const model::Endpoint& client, const model::Endpoint& target) {
    return client.address.is_v4() == target.address.is_v4() && !client.address.is_loopback() &&
           !is_link_local_v6(client.address) && client.address != target.address;
}

Dial dial_as(SocketSource& source, const model::Endpoint& client, const model::Endpoint& target) {
    Dial call = begin(source, target);
    if (call.code == 0) {
        do_not_pace(call.socket);
        call.code = take_source(call.socket, client) ? 0 : errno;
    }
    return begin_connect(std::move(call), target);
}

int bind_from(sys::FdRef socket, const model::Endpoint& from) {
    if (from.address.is_unspecified()) {
        return 0;
    }
    SocketAddress address(from);
    if (::bind(socket.number(), &address.any, address.length) == 0) {
        return 0;
    }
    if (errno != EADDRINUSE) {
        return errno;
    }
    address = SocketAddress({from.address, 0});
    return ::bind(socket.number(), &address.any, address.length) == 0 ? 0 : errno;
}

// SO_REUSEADDR: the last connection of the same client port may still be in TIME_WAIT.
// IP_BIND_ADDRESS_NO_PORT: a port that is free towards this target will do.
Dial dial_from(SocketSource& source, const model::Endpoint& from, const model::Endpoint& target) {
    Dial call = begin(source, target);
    if (call.code == 0) {
        static_cast<void>(set_option(call.socket, SOL_SOCKET, SO_REUSEADDR, 1));
        static_cast<void>(set_option(call.socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
        call.code = bind_from(call.socket, from);
    }
    return begin_connect(std::move(call), target);
}

void prepare_listener(sys::FdRef listener) {
    tune(listener);
    if (is_bound_to_loopback(listener)) {
        do_not_pace(listener);
    }
    static_cast<void>(set_option(listener, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalSeconds));
    static_cast<void>(set_option(listener, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes));
    const int flags = ::fcntl(listener.number(), F_GETFL);
    static_cast<void>(::fcntl(listener.number(), F_SETFL, flags | O_NONBLOCK));
}

bool grants_local_buffers() {
    const sys::Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    int granted = 0;
    socklen_t length = sizeof granted;
    keep_local(probe);
    return ::getsockopt(probe.number(), SOL_SOCKET, SO_RCVBUF, &granted, &length) == 0 &&
           granted >= kLocalReceiveBytes * 2;
}

void keep_local(sys::FdRef socket) {
    static_cast<void>(set_option(socket, SOL_SOCKET, SO_RCVBUF, kLocalReceiveBytes));
}

void reset_on_close(sys::FdRef socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    static_cast<void>(
        ::setsockopt(socket.number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

int take_error(sys::FdRef socket) {
    int code = 0;
    socklen_t length = sizeof code;
    return ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
}

}  // namespace rk::relay
