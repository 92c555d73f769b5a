// SPDX-License-Identifier: Apache-2.0
#include "wire/udp_packet.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::wire {
namespace {

model::Endpoint endpoint(const char* address, std::uint16_t port) {
    return {*model::IpAddress::parse(address), port};
}

std::string packet_of(std::string_view payload) {
    return *encode_udp_packet({endpoint("192.0.2.1", 1000), endpoint("198.51.100.2", 53), payload});
}

// What Linux 6.1 wrote to a tun interface for "hi" from 192.0.2.1:40000 to 192.0.2.9:9.
const std::string kOfKernel(
    "\x45\x00\x00\x1e\xad\xb0\x40\x00\x40\x11\x09\x14\xc0\x00\x02\x01\xc0\x00\x02\x09"
    "\x9c\x40\x00\x09\x00\x0a\x77\x1chi",
    30);

TEST(UdpPacket, IsReadAsItWasWritten) {
    for (const std::string& payload : {std::string(), std::string("odd"), std::string("even"),
                                       std::string(kMaxUdpPayload, '\xff')}) {
        const std::string packet = packet_of(payload);
        const auto read = decode_udp_packet(packet, UdpChecksum::kVerified);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->from.text(), "192.0.2.1:1000");
        EXPECT_EQ(read->to.text(), "198.51.100.2:53");
        EXPECT_EQ(read->payload, payload);
    }
}

TEST(UdpPacket, ChecksumsAreThoseOfTheKernel) {
    const auto read = decode_udp_packet(kOfKernel, UdpChecksum::kVerified);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->payload, "hi");
    const auto made = encode_udp_packet(*read);
    EXPECT_EQ(made->substr(20), kOfKernel.substr(20));
}

TEST(UdpPacket, PaddingAfterItIsIgnored) {
    const std::string padded = packet_of("hi") + std::string(16, '\0');
    EXPECT_EQ(decode_udp_packet(padded, UdpChecksum::kVerified)->payload, "hi");
}

TEST(UdpPacket, EveryFlippedBitIsNoticed) {
    const std::string packet = packet_of("payload");
    for (std::size_t bit = 0; bit < packet.size() * 8; ++bit) {
        std::string broken = packet;
        broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << bit % 8));
        EXPECT_FALSE(decode_udp_packet(broken, UdpChecksum::kVerified)) << bit;
    }
}

TEST(UdpPacket, EveryCutIsNoticed) {
    const std::string packet = packet_of("payload");
    for (std::size_t size = 0; size < packet.size(); ++size) {
        EXPECT_FALSE(decode_udp_packet(packet.substr(0, size), UdpChecksum::kIgnored)) << size;
    }
}

TEST(UdpPacket, ChecksumMayBeUnmade) {
    std::string packet = packet_of("payload");
    packet[26] = '\x12';  // as the kernel leaves it for hardware to finish
    EXPECT_FALSE(decode_udp_packet(packet, UdpChecksum::kVerified));
    EXPECT_EQ(decode_udp_packet(packet, UdpChecksum::kIgnored)->payload, "payload");
    packet[26] = packet[27] = '\0';  // a sender that makes none
    EXPECT_TRUE(decode_udp_packet(packet, UdpChecksum::kVerified));
}

TEST(UdpPacket, RefusesWhatDoesNotFit) {
    EXPECT_FALSE(encode_udp_packet({endpoint("::1", 1), endpoint("127.0.0.1", 1), ""}));
    const std::string large(kMaxUdpPayload + 1, 'x');
    EXPECT_FALSE(encode_udp_packet({endpoint("127.0.0.1", 1), endpoint("127.0.0.1", 1), large}));
}

TEST(EthernetFrame, IsReadAsItWasWritten) {
    const EthernetHeader header{model::kBroadcastMac, {2, 0, 0, 0, 0, 1}, kEtherTypeArp};
    const std::string bytes = encode_frame(header, "payload");
    EXPECT_EQ(bytes.size(), kEthernetHeaderBytes + 7);
    const auto frame = decode_frame(bytes);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->header.to, header.to);
    EXPECT_EQ(frame->header.from, header.from);
    EXPECT_EQ(frame->header.type, kEtherTypeArp);
    EXPECT_EQ(frame->payload, "payload");
    EXPECT_FALSE(decode_frame(bytes.substr(0, kEthernetHeaderBytes - 1)));
}

}  // namespace
}  // namespace rk::wire
