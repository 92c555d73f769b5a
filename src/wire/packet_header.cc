// SPDX-License-Identifier: Apache-2.0
#include "wire/packet_header.h"

#include <algorithm>
#include <array>
#include <optional>

#include <netinet/in.h>

namespace rk::wire {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t kV4Header = 20;  // bytes, without options
constexpr std::size_t kV6Header = 40;
constexpr std::size_t kTcpHeader = 20;     // without options
constexpr std::size_t kEchoHeader = 8;     // type, code, checksum, id, sequence
constexpr std::size_t kExtensionUnit = 8;  // extension headers are counted in these
constexpr std::size_t kAddressBytes = 16;  // of IPv6
constexpr std::uint8_t kVersionShift = 4;  // the version is the upper half of the first byte
constexpr std::uint16_t kV4MoreFlag = 0x2000;
constexpr std::uint16_t kV4OffsetMask = 0x1fff;
constexpr std::uint16_t kV6MoreFlag = 0x0001;
constexpr std::uint16_t kV6OffsetMask = 0xfff8;
constexpr std::uint8_t kIcmpEchoRequest = 8;
constexpr std::uint8_t kIcmp6EchoRequest = 128;
constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;

// Callers have checked that the bytes are there.
std::uint8_t u8(Bytes bytes, std::size_t at) {
    return std::to_integer<std::uint8_t>(bytes[at]);
}
std::uint16_t u16(Bytes bytes, std::size_t at) {
    return static_cast<std::uint16_t>(u8(bytes, at) << 8U | u8(bytes, at + 1));
}
std::uint32_t u32(Bytes bytes, std::size_t at) {
    return static_cast<std::uint32_t>(u16(bytes, at)) << 16U | u16(bytes, at + 2);
}

// What is left of a packet after its IP headers.
struct Transport {
    model::IpAddress from;
    model::IpAddress to;
    std::uint8_t protocol = 0;
    bool more_fragments = false;
    Bytes bytes;           // as copied, never more than `size`
    std::size_t size = 0;  // as the IP header says
};

std::optional<Transport> read_v4(Bytes packet) {
    if (packet.size() < kV4Header) {
        return std::nullopt;
    }
    const std::size_t header = std::size_t{u8(packet, 0) & 0x0fU} * 4;
    const std::size_t total = u16(packet, 2);
    const std::uint16_t fragment = u16(packet, 6);
    if (header < kV4Header || header > total || header > packet.size() ||
        (fragment & kV4OffsetMask) != 0) {
        return std::nullopt;
    }
    Transport transport;
    transport.from = model::IpAddress::v4(u32(packet, 12));
    transport.to = model::IpAddress::v4(u32(packet, 16));
    transport.protocol = u8(packet, 9);
    transport.more_fragments = (fragment & kV4MoreFlag) != 0;
    transport.size = total - header;
    transport.bytes = packet.subspan(header, std::min(packet.size() - header, transport.size));
    return transport;
}

std::optional<model::IpAddress> v6_address(Bytes packet, std::size_t at) {
    std::array<std::uint8_t, kAddressBytes> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes.at(i) = u8(packet, at + i);
    }
    const model::IpAddress address(bytes);
    if (address.is_v4()) {
        return std::nullopt;
    }
    return address;
}

bool is_extension(std::uint8_t header) {
    return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_FRAGMENT ||
           header == IPPROTO_DSTOPTS;
}

// The length of the extension header at the beginning of what is left; nothing where it ends the
// walk. At least 8 bytes are there.
std::optional<std::size_t> extension_length(Transport& transport) {
    if (transport.protocol == IPPROTO_FRAGMENT) {
        const std::uint16_t fragment = u16(transport.bytes, 2);
        transport.more_fragments = (fragment & kV6MoreFlag) != 0;
        return (fragment & kV6OffsetMask) == 0 ? std::optional(kExtensionUnit) : std::nullopt;
    }
    if (transport.protocol == IPPROTO_ROUTING && u8(transport.bytes, 3) != 0) {
        return std::nullopt;
    }
    return (std::size_t{u8(transport.bytes, 1)} + 1) * kExtensionUnit;
}

std::optional<Transport> walk_extensions(Transport transport) {
    for (unsigned walked = 0; is_extension(transport.protocol); ++walked) {
        if (walked == kMaxExtensionHeaders || transport.bytes.size() < kExtensionUnit) {
            return std::nullopt;
        }
        const auto length = extension_length(transport);
        if (!length || *length > transport.bytes.size()) {
            return std::nullopt;
        }
        transport.protocol = u8(transport.bytes, 0);
        transport.bytes = transport.bytes.subspan(*length);
        transport.size -= *length;
    }
    return transport;
}

std::optional<Transport> read_v6(Bytes packet) {
    if (packet.size() < kV6Header) {
        return std::nullopt;
    }
    const auto from = v6_address(packet, 8);
    const auto to = v6_address(packet, 8 + kAddressBytes);
    if (!from || !to) {
        return std::nullopt;
    }
    Transport transport;
    transport.from = *from;
    transport.to = *to;
    transport.protocol = u8(packet, 6);
    transport.size = u16(packet, 4);  // 0 in a jumbogram, which then has no room for a header
    transport.bytes =
        packet.subspan(kV6Header, std::min(packet.size() - kV6Header, transport.size));
    return walk_extensions(transport);
}

PacketHeader read_tcp(const Transport& transport) {
    const Bytes bytes = transport.bytes;
    if (bytes.size() < kTcpHeader) {
        return {};
    }
    const std::size_t header = std::size_t{u8(bytes, 12)} / 16 * 4;
    const auto flags = static_cast<std::uint8_t>(u8(bytes, 13) & (kFin | kSyn | kRst | kAck));
    if (header < kTcpHeader || header > transport.size || flags != kSyn) {
        return {};
    }
    return TcpSyn{{transport.from, u16(bytes, 0)}, {transport.to, u16(bytes, 2)}};
}

PacketHeader read_echo(const Transport& transport, std::uint8_t request_type) {
    const Bytes bytes = transport.bytes;
    if (bytes.size() < kEchoHeader || u8(bytes, 0) != request_type || u8(bytes, 1) != 0) {
        return {};
    }
    EchoRequest request;
    request.from = transport.from;
    request.to = transport.to;
    request.id = u16(bytes, 4);
    request.sequence = u16(bytes, 6);
    request.payload = bytes.subspan(kEchoHeader);
    request.payload_size = static_cast<std::uint16_t>(transport.size - kEchoHeader);
    request.more_fragments = transport.more_fragments;
    return request;
}

}  // namespace

PacketHeader parse_packet_header(std::span<const std::byte> packet) {
    if (packet.empty()) {
        return {};
    }
    const auto version = static_cast<std::uint8_t>(u8(packet, 0) >> kVersionShift);
    const auto transport = version == 4   ? read_v4(packet)
                           : version == 6 ? read_v6(packet)
                                          : std::nullopt;
    if (!transport) {
        return {};
    }
    // Each family has its own ICMP; the other one's in it is nothing.
    if (transport->protocol == IPPROTO_TCP) {
        return read_tcp(*transport);
    }
    if (version == 4 && transport->protocol == IPPROTO_ICMP) {
        return read_echo(*transport, kIcmpEchoRequest);
    }
    if (version == 6 && transport->protocol == IPPROTO_ICMPV6) {
        return read_echo(*transport, kIcmp6EchoRequest);
    }
    return {};
}

}  // namespace rk::wire
