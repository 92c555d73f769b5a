// SPDX-License-Identifier: Apache-2.0
//
// UDP over IPv4 (RFC 768, 791), and that in an Ethernet frame: for what has to talk before there is
// an address to talk from. Fragments are not put together.
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "model/mac_address.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk::wire {

/// A datagram between two IPv4 endpoints.
struct UdpDatagram {
    model::Endpoint from;
    model::Endpoint to;
    std::string_view payload;  // borrowed; at most kMaxUdpPayload bytes
};

/// What an IPv4 packet has room for, bytes: 65535 less the two headers.
inline constexpr std::size_t kMaxUdpPayload = 65507;

/// Whether the UDP checksum is looked at. A packet socket sees packets of this host before their
/// checksum is made (PACKET_AUXDATA says TP_STATUS_CSUMNOTREADY): those must not be refused for it.
enum class UdpChecksum { kVerified, kIgnored };

/// An IPv4 packet with the datagram. Both addresses have to be IPv4.
[[nodiscard]] Result<std::string> encode_udp_packet(const UdpDatagram& datagram);
/// Empty where the bytes are anything else than one whole datagram over IPv4 with sound checksums.
/// Bytes after it (an Ethernet frame's padding) are ignored.
[[nodiscard]] std::optional<UdpDatagram> decode_udp_packet(std::string_view packet,
                                                           UdpChecksum checksum);

/// The header of an Ethernet frame.
struct EthernetHeader {
    model::MacAddress to{};
    model::MacAddress from{};
    std::uint16_t type = 0;  // EtherType
};

inline constexpr std::size_t kEthernetHeaderBytes = 14;
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;

/// The header followed by the payload.
[[nodiscard]] std::string encode_frame(const EthernetHeader& header, std::string_view payload);

struct EthernetFrame {
    EthernetHeader header;
    std::string_view payload;  // borrowed
};
/// Empty where it is too short for a header. VLAN tags are not looked into.
[[nodiscard]] std::optional<EthernetFrame> decode_frame(std::string_view bytes);

}  // namespace rk::wire
