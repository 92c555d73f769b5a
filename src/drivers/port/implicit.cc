// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/implicit.h"

#include "drivers/port/listen.h"

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <sys/socket.h>
#include <unistd.h>

namespace rk::drivers {

namespace {

struct Kind {
    wire::DiagFamily family;
    SocketKind socket;
    std::string_view name;
};
constexpr std::array kKinds = {
    Kind{wire::DiagFamily::kIpv4, SocketKind::kTcp, "TCP over IPv4"},
    Kind{wire::DiagFamily::kIpv6, SocketKind::kTcp, "TCP over IPv6"},
    Kind{wire::DiagFamily::kIpv4, SocketKind::kUdp, "UDP over IPv4"},
    Kind{wire::DiagFamily::kIpv6, SocketKind::kUdp, "UDP over IPv6"},
};

// The kernel fits its datagrams to the reader's room, up to this (net/netlink/af_netlink.c).
constexpr std::size_t kRoom = 32768;
constexpr std::chrono::milliseconds kAtOnce{1};
constexpr std::size_t kMaxRangeText = 64;

// Read each time, as the sysctl can be changed at any time.
EphemeralPorts read_ephemeral_ports(sys::FdRef file) {
    std::array<char, kMaxRangeText> text{};
    const ssize_t got = ::pread(file.number(), text.data(), text.size(), 0);
    return parse_ephemeral_ports({text.data(), got > 0 ? static_cast<std::size_t>(got) : 0});
}

// No module answers for that kind of socket: that does not change.
bool is_for_good(int code) {
    return code == ENOENT || code == EINVAL || code == EOPNOTSUPP || code == EPROTONOSUPPORT;
}

}  // namespace

ImplicitPorts::ImplicitPorts(const ImplicitParts& parts, const Logger& log)
    : parts_(parts),
      log_(log),
      publisher_(parts.ports, log),
      host_has_ipv6_(host_has_ipv6()),
      room_(kRoom),
      given_up_(kKinds.size(), false) {}

Result<void> ImplicitPorts::attach(loop::EventLoop& loop) {
    timer_.emplace(TRY(loop::Timer::create(loop, [this] {
        const bool complete = look(std::chrono::steady_clock::now());
        timer_->arm(complete ? kImplicitInterval : kAtOnce);
    })));
    timer_->arm(kAtOnce);
    return {};
}

bool ImplicitPorts::look(ImplicitPublisher::Time now) {
    if (!round_) {
        begin_round();
    }
    for (int i = 0; i < kImplicitReads; ++i) {
        while (kind_ < kKinds.size() && given_up_[kind_]) {
            ++kind_;
        }
        if (kind_ == kKinds.size()) {
            complain_of_overflow();
            publisher_.update(round_->targets(), now);
            round_.reset();
            return true;
        }
        if (!asked_ && !ask()) {
            round_.reset();
            return true;
        }
        const Outcome outcome = read_answer();
        asked_ = outcome == Outcome::kMore;
        if (outcome == Outcome::kNothing) {
            round_.reset();
            return true;
        }
        kind_ += outcome == Outcome::kAnswered ? 1 : 0;
    }
    return false;
}

void ImplicitPorts::begin_round() {
    round_.emplace(read_ephemeral_ports(parts_.ephemeral_ports), host_has_ipv6_);
    kind_ = 0;
    asked_ = false;
}

bool ImplicitPorts::ask() {
    const std::string request = wire::waiting_sockets_request(
        kKinds.at(kind_).family,
        kKinds.at(kind_).socket == SocketKind::kTcp ? wire::DiagProtocol::kTcp
                                                    : wire::DiagProtocol::kUdp,
        ++sequence_);
    return ::send(parts_.diagnostics.number(), request.data(), request.size(), MSG_DONTWAIT) ==
           static_cast<ssize_t>(request.size());
}

// What is left of a round that failed has an older sequence number, and is skipped.
ImplicitPorts::Outcome ImplicitPorts::read_answer() {
    const ssize_t got =
        ::recv(parts_.diagnostics.number(), room_.data(), room_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got <= 0 || static_cast<std::size_t>(got) > room_.size()) {
        return Outcome::kNothing;
    }
    wire::DiagReader reader{std::span(std::as_const(room_)).first(static_cast<std::size_t>(got))};
    while (const auto message = reader.next()) {
        if (message->sequence != sequence_) {
            continue;
        }
        if (const auto* end = std::get_if<wire::DiagEnd>(&message->content)) {
            return take(*end);
        }
        round_->add(kKinds.at(kind_).socket, std::get<wire::WaitingSocket>(message->content));
    }
    return Outcome::kMore;
}

ImplicitPorts::Outcome ImplicitPorts::take(const wire::DiagEnd& end) {
    if (end.code == 0) {
        return Outcome::kAnswered;
    }
    if (is_for_good(end.code)) {
        given_up_[kind_] = true;
        log_.warn(
            "implicit: this kernel does not list sockets of {} (CONFIG_INET_DIAG and "
            "CONFIG_INET_UDP_DIAG do it): they are not published: {}",
            kKinds.at(kind_).name, errno_text(end.code));
        return Outcome::kAnswered;
    }
    return Outcome::kNothing;
}

void ImplicitPorts::complain_of_overflow() {
    if (round_->overflown() && !std::exchange(told_of_overflow_, true)) {
        log_.warn("implicit: more than {} ports are open inside, the lowest are published",
                  kMaxImplicitPorts);
    }
}

}  // namespace rk::drivers
