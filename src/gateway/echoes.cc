// SPDX-License-Identifier: Apache-2.0
#include "gateway/echoes.h"

#include "gateway/limits.h"
#include "relay/socket_address.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::gateway {

namespace {

constexpr std::size_t kHeaderBytes = 8;
// What does not fit is sent shorter: the size only matters up to what a path may carry.
constexpr std::size_t kMaxMessage = kHeaderBytes + 9000;

// Type and size; the kernel fills in checksum and identifier (net/ipv4/ping.c).
int send_request(sys::FdRef socket, const wire::EchoRequest& request) {
    std::array<std::byte, kMaxMessage> message{};
    message[0] = static_cast<std::byte>(request.to.is_v4() ? ICMP_ECHO : ICMPV6_ECHO_REQUEST);
    const std::size_t size =
        std::min(kHeaderBytes + std::size_t{request.payload_size}, message.size());
    const std::size_t known = std::min(request.payload.size(), size - kHeaderBytes);
    std::copy_n(request.payload.begin(), known, message.begin() + kHeaderBytes);
    return ::send(socket.number(), message.data(), size, MSG_NOSIGNAL) < 0 ? errno : 0;
}

int open_ping_socket(const model::IpAddress& to, sys::Fd& socket) {
    const int family = relay::family_of(to);
    const int protocol = to.is_v4() ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    socket = sys::Fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!socket.valid()) {
        return errno;
    }
    const relay::SocketAddress address(model::Endpoint{to, 0});
    return ::connect(socket.number(), &address.any, address.length) < 0 ? errno : 0;
}

}  // namespace

void Echoes::on_request(const wire::EchoRequest& request, const HeldPacket& packet,
                        std::int64_t now) {
    const Destination to = context_.translation.of({request.to, 0}, now);
    if (to.refusal != 0) {
        refuse(packet, to.refusal);
        return;
    }
    if (egress_.decide(model::EgressProtocol::kIcmp, {request.to, 0}, to.target) ==
        model::EgressAction::kDeny) {
        counters_.denied.add();
        verdicts_.pass(packet, Mark::kProhibited);
        return;
    }
    if (count_ >= kMaxEchoes || !shared_.fds.take(1)) {
        counters_.echo_lost.add();
        verdicts_.drop(packet);
        return;
    }
    Echo& echo = echoes_.claim();
    int code = open_ping_socket(to.target.address, echo.socket);
    code = code == 0 ? send_request(echo.socket, request) : code;
    if (code == 0) {
        code = poller_.add(echo.socket, EPOLLIN, relay::Tag::of(relay::Kind::kEcho, echo));
    }
    ++count_;
    echo.packet = packet;
    echo.since_ms = now;
    by_age_.push_back(echo);
    if (code != 0) {
        refuse(packet, code);
        end(echo);
        return;
    }
    counters_.echo_sent.add();
}

void Echoes::on_event(relay::Tag tag) {
    Echo* const echo = echoes_.find(tag.index, tag.generation);
    if (echo == nullptr) {
        return;
    }
    std::array<std::byte, kHeaderBytes> answer{};
    const ssize_t got = ::recv(echo->socket.number(), answer.data(), answer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got < 0) {
        refuse(echo->packet, errno);
    } else {
        counters_.echo_answered.add();
        verdicts_.pass(echo->packet);
    }
    end(*echo);
}

void Echoes::refuse(const HeldPacket& packet, int code) {
    counters_.echo_lost.add();
    bool drop = false;
    const Mark mark = mark_of(code, drop);
    if (drop) {
        verdicts_.drop(packet);
    } else {
        verdicts_.pass(packet, mark == Mark::kReset ? Mark::kHostUnreachable : mark);
    }
}

std::int64_t Echoes::next_due() const {
    return by_age_.empty() ? -1 : by_age_.front()->since_ms + kEchoPatienceMs;
}

void Echoes::end_of_batch(std::int64_t now) {
    while (!by_age_.empty() && next_due() <= now) {
        counters_.echo_lost.add();
        verdicts_.drop(by_age_.front()->packet);
        end(*by_age_.front());
    }
}

void Echoes::end(Echo& echo) {
    --count_;
    by_age_.remove(echo);
    echoes_.release(echo);  // closes its socket
    shared_.fds.give(1);
}

}  // namespace rk::gateway
