// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/implicit_wanted.h"

#include "base/text.h"

#include <fmt/format.h>

#include <iterator>
#include <tuple>

namespace rk::drivers {

namespace {

constexpr std::uint16_t kMaxPort = 65535;
constexpr std::uint32_t kLoopbackV4 = 0x7f000001;
constexpr std::uint32_t kMulticastMaskV4 = 0xf0000000;  // 224.0.0.0/4
constexpr std::uint32_t kMulticastV4 = 0xe0000000;

model::IpAddress loopback(LoopbackFamily family) {
    return family == LoopbackFamily::kIpv4
               ? model::IpAddress::v4(kLoopbackV4)
               : model::IpAddress({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

// A group's address, or one that means nothing without its interface (ff00::/8, fe80::/10).
bool takes_no_plain_call(const model::IpAddress& address) {
    if (address.is_v4()) {
        return (address.to_v4() & kMulticastMaskV4) == kMulticastV4;
    }
    const unsigned first = address.bytes()[0];
    return first == 0xff || (first == 0xfe && (address.bytes()[1] & 0xc0U) == 0x80);
}

// Of two sockets on one port the smaller rank is called.
auto rank(const model::IpAddress& address, LoopbackFamily family) {
    return std::make_tuple(!address.is_unspecified(), address != loopback(family), address);
}

}  // namespace

std::string ImplicitPort::text() const {
    return fmt::format("{}/{}", model::Endpoint{address(), port}.text(),
                       kind == SocketKind::kTcp ? "tcp" : "udp");
}

model::IpAddress ImplicitPort::address() const {
    return loopback(family);
}

EphemeralPorts parse_ephemeral_ports(std::string_view text) {
    const auto words = split_blanks(text.substr(0, text.find('\n')));
    if (words.size() != 2) {
        return {};
    }
    const auto first = parse_decimal(words[0], kMaxPort);
    const auto last = parse_decimal(words[1], kMaxPort);
    if (!first || !last || *first > *last) {
        return {};
    }
    return {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

void WantedPorts::add(SocketKind kind, const wire::WaitingSocket& socket) {
    const auto& [address, port] = socket.local;
    if (port == 0 || socket.connected || socket.device != 0 || takes_no_plain_call(address) ||
        (kind == SocketKind::kUdp && ephemeral_.contain(port))) {
        return;
    }
    if (address.is_v4()) {
        want({port, kind, LoopbackFamily::kIpv4}, address);
        return;
    }
    if (host_has_ipv6_) {
        want({port, kind, LoopbackFamily::kIpv6}, address);
    }
    if (address.is_unspecified() && !socket.v6_only) {
        want({port, kind, LoopbackFamily::kIpv4}, model::IpAddress::v4(0));
    }
}

void WantedPorts::want(const ImplicitPort& port, const model::IpAddress& target) {
    const auto [place, fresh] = targets_.emplace(port, target);
    if (!fresh && rank(target, port.family) < rank(place->second, port.family)) {
        place->second = target;
    }
    if (targets_.size() > kMaxImplicitPorts) {
        targets_.erase(std::prev(targets_.end()));
        overflown_ = true;
    }
}

}  // namespace rk::drivers
