// SPDX-License-Identifier: Apache-2.0
#include "wire/udp_packet.h"

#include "base/bytes.h"

#include <algorithm>

namespace rk::wire {

namespace {

constexpr std::size_t kIpv4HeaderBytes = 20;  // without options
constexpr std::size_t kUdpHeaderBytes = 8;
constexpr std::uint8_t kUdpProtocol = 17;
constexpr std::uint8_t kTimeToLive = 64;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kFragmentMask = 0x3fff;  // "more fragments" and the offset
constexpr std::size_t kChecksumAt = 10;          // in the IPv4 header
constexpr std::size_t kUdpChecksumAt = 6;        // in the UDP header
constexpr std::uint16_t kNoChecksum = 0;         // a sender that made none (RFC 768)

// The ones' complement sum of 16-bit words (RFC 1071), to be carried on over several parts, all but
// the last of even length.
std::uint32_t sum_words(std::string_view bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        sum += i % 2 == 0 ? std::uint32_t{byte} << 8U : byte;
    }
    return sum;
}

// At most 32768 words: the sum cannot have overflowed.
std::uint16_t fold(std::uint32_t sum) {
    while (sum > 0xffffU) {
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

// The header that is only summed up.
std::uint32_t sum_pseudo_header(std::uint32_t from, std::uint32_t to, std::size_t udp_bytes) {
    ByteWriter out;
    out.be32(from).be32(to).be16(kUdpProtocol).be16(static_cast<std::uint16_t>(udp_bytes));
    return sum_words(out.written());
}

void put_be16(std::string& bytes, std::size_t at, std::uint16_t value) {
    bytes.at(at) = static_cast<char>(value >> 8U);
    bytes.at(at + 1) = static_cast<char>(value & 0xffU);
}

std::string udp_part(const UdpDatagram& datagram) {
    const std::size_t size = kUdpHeaderBytes + datagram.payload.size();
    ByteWriter out;
    out.be16(datagram.from.port).be16(datagram.to.port);
    out.be16(static_cast<std::uint16_t>(size)).be16(0).bytes(datagram.payload);
    std::string bytes = std::move(out).take();
    const std::uint32_t pseudo =
        sum_pseudo_header(datagram.from.address.to_v4(), datagram.to.address.to_v4(), bytes.size());
    const std::uint16_t checksum = fold(sum_words(bytes, pseudo));
    put_be16(bytes, kUdpChecksumAt, checksum == kNoChecksum ? std::uint16_t{0xffff} : checksum);
    return bytes;
}

model::MacAddress take_mac(ByteReader& in) {
    model::MacAddress mac{};
    std::generate(mac.begin(), mac.end(), [&] { return in.u8(); });
    return mac;
}

void put_mac(ByteWriter& out, const model::MacAddress& mac) {
    for (const std::uint8_t byte : mac) {
        out.u8(byte);
    }
}

struct Ipv4Packet {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::string_view payload;
};

// Empty where it is none, carries no UDP, or is a fragment.
std::optional<Ipv4Packet> decode_ipv4(std::string_view packet) {
    ByteReader in(packet);
    const std::uint8_t version_and_length = in.u8();
    static_cast<void>(in.u8());  // type of service
    const std::size_t total = in.be16();
    static_cast<void>(in.be16());  // identification
    const std::uint16_t fragment = in.be16();
    static_cast<void>(in.u8());  // time to live
    const std::uint8_t protocol = in.u8();
    static_cast<void>(in.be16());  // checksum
    Ipv4Packet decoded;
    decoded.from = in.be32();
    decoded.to = in.be32();
    const std::size_t header = std::size_t{version_and_length & 0x0fU} * 4;
    if (!in.ok() || version_and_length >> 4U != 4 || header < kIpv4HeaderBytes || total < header ||
        total > packet.size() || (fragment & kFragmentMask) != 0 || protocol != kUdpProtocol ||
        fold(sum_words(packet.substr(0, header))) != 0) {
        return std::nullopt;
    }
    decoded.payload = packet.substr(header, total - header);
    return decoded;
}

}  // namespace

Result<std::string> encode_udp_packet(const UdpDatagram& datagram) {
    if (!datagram.from.address.is_v4() || !datagram.to.address.is_v4()) {
        return fail("a datagram from {} to {} is not IPv4", datagram.from.text(),
                    datagram.to.text());
    }
    if (datagram.payload.size() > kMaxUdpPayload) {
        return fail("a datagram of {} bytes", datagram.payload.size());
    }
    ByteWriter out;
    const std::size_t total = kIpv4HeaderBytes + kUdpHeaderBytes + datagram.payload.size();
    out.u8(4U << 4U | kIpv4HeaderBytes / 4).u8(0).be16(static_cast<std::uint16_t>(total));
    out.be16(0).be16(kDontFragment).u8(kTimeToLive).u8(kUdpProtocol).be16(0);
    out.be32(datagram.from.address.to_v4()).be32(datagram.to.address.to_v4());
    std::string packet = std::move(out).take();
    put_be16(packet, kChecksumAt, fold(sum_words(packet)));
    return packet + udp_part(datagram);
}

std::optional<UdpDatagram> decode_udp_packet(std::string_view packet, UdpChecksum checksum) {
    const auto ip = decode_ipv4(packet);
    if (!ip) {
        return std::nullopt;
    }
    ByteReader in(ip->payload);
    UdpDatagram datagram;
    datagram.from = {model::IpAddress::v4(ip->from), in.be16()};
    datagram.to = {model::IpAddress::v4(ip->to), in.be16()};
    const std::size_t size = in.be16();
    const std::uint16_t told = in.be16();
    if (!in.ok() || size < kUdpHeaderBytes || size > ip->payload.size()) {
        return std::nullopt;
    }
    const std::string_view udp = ip->payload.substr(0, size);
    if (checksum == UdpChecksum::kVerified && told != kNoChecksum &&
        fold(sum_words(udp, sum_pseudo_header(ip->from, ip->to, size))) != 0) {
        return std::nullopt;
    }
    datagram.payload = udp.substr(kUdpHeaderBytes);
    return datagram;
}

std::string encode_frame(const EthernetHeader& header, std::string_view payload) {
    ByteWriter out;
    put_mac(out, header.to);
    put_mac(out, header.from);
    out.be16(header.type).bytes(payload);
    return std::move(out).take();
}

std::optional<EthernetFrame> decode_frame(std::string_view bytes) {
    ByteReader in(bytes);
    EthernetFrame frame;
    frame.header.to = take_mac(in);
    frame.header.from = take_mac(in);
    frame.header.type = in.be16();
    if (!in.ok()) {
        return std::nullopt;
    }
    frame.payload = in.bytes(in.left());
    return frame;
}

}  // namespace rk::wire
