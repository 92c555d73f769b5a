// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Of the packets that leave the namespace only two kinds are ever looked into: the SYN that opens a
// TCP connection and the ICMP echo request. Both come from inside, where anybody with a raw socket
// can write anything, so every length is checked against the bytes that are there, and whatever is
// not exactly one of the two is nothing.
//
// Refused on purpose: fragments other than the first (their bytes are no header), IPv6 routing
// headers with segments left (the destination in the header is not the last one), jumbograms, and
// v4-mapped addresses in an IPv6 header: model::IpAddress holds IPv4 in that form, so that
// ::ffff:127.0.0.1 on the wire would otherwise turn into the host's 127.0.0.1. Checksums are not
// verified: the queue copies only the beginning of a packet, and the kernel's stack verifies them
// when the packet goes on.
#pragma once

#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

namespace rk::wire {

/// A TCP segment that asks for a new connection: SYN, neither ACK, RST nor FIN.
struct TcpSyn {
    model::Endpoint from;
    model::Endpoint to;
};

/// An echo request of ICMP or ICMPv6; which one follows from the addresses.
struct EchoRequest {
    model::IpAddress from;
    model::IpAddress to;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
    std::span<const std::byte> payload;  // as far as the queue copied it
    std::uint16_t payload_size = 0;      // of the whole payload
    bool more_fragments = false;         // payload_size is then that of the first fragment
};

/// monostate: neither of the two, or malformed.
using PacketHeader = std::variant<std::monostate, TcpSyn, EchoRequest>;

/// More extension headers than this before the one of the transport are not walked.
inline constexpr unsigned kMaxExtensionHeaders = 8;

/// Reads what a queued packet begins with. `packet` starts at the IP header and may be cut short.
[[nodiscard]] PacketHeader parse_packet_header(std::span<const std::byte> packet);

}  // namespace rk::wire
