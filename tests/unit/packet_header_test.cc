// SPDX-License-Identifier: Apache-2.0
#include "wire/packet_header.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::wire {
namespace {

std::string bytes(std::initializer_list<int> values) {
    std::string text;
    for (const int value : values) {
        text += static_cast<char>(value);
    }
    return text;
}

std::string be16(std::size_t value) {
    return bytes({static_cast<int>(value >> 8U & 0xffU), static_cast<int>(value & 0xffU)});
}

// 10.0.2.100 to 192.0.2.1.
std::string v4(int protocol, const std::string& payload, std::size_t fragment = 0,
               const std::string& options = "") {
    const auto words = static_cast<int>(5 + options.size() / 4);
    return bytes({0x40 | words, 0}) + be16(20 + options.size() + payload.size()) + be16(1) +
           be16(fragment) + bytes({64, protocol, 0, 0, 10, 0, 2, 100, 192, 0, 2, 1}) + options +
           payload;
}

const std::string kV6From = bytes({0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64});
const std::string kV6To = bytes({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

std::string v6(int next, const std::string& payload, const std::string& to = kV6To,
               const std::string& from = kV6From) {
    return bytes({0x60, 0, 0, 0}) + be16(payload.size()) + bytes({next, 64}) + from + to + payload;
}

std::string tcp(int flags, int words = 5, const std::string& options = "") {
    return be16(40000) + be16(443) + std::string(8, '\1') +
           bytes({words << 4, flags, 0xff, 0xff, 0, 0, 0, 0}) + options;
}

std::string echo(int type, const std::string& payload, int code = 0) {
    return bytes({type, code, 0, 0}) + be16(0x1234) + be16(7) + payload;
}

PacketHeader parse(const std::string& packet) {
    return parse_packet_header(std::as_bytes(std::span(packet)));
}

bool nothing(const std::string& packet) {
    return std::holds_alternative<std::monostate>(parse(packet));
}

std::string described(const std::string& packet) {
    const PacketHeader header = parse(packet);
    if (const auto* syn = std::get_if<TcpSyn>(&header)) {
        return syn->from.text() + " > " + syn->to.text();
    }
    return "nothing";
}

TEST(PacketHeader, ReadsASynOfBothFamilies) {
    EXPECT_EQ(described(v4(6, tcp(0x02))), "10.0.2.100:40000 > 192.0.2.1:443");
    EXPECT_EQ(described(v6(6, tcp(0x02))), "[fd00::64]:40000 > [2001:db8::1]:443");
    // With IP options, TCP options, and the flags of ECN.
    EXPECT_EQ(described(v4(6, tcp(0xc2, 6, std::string(4, '\1')), 0x4000, std::string(8, '\1'))),
              "10.0.2.100:40000 > 192.0.2.1:443");
}

TEST(PacketHeader, OnlyAFirstSynIsOne) {
    for (const int flags : {0x00, 0x10, 0x12, 0x03, 0x06, 0x04, 0x01}) {
        EXPECT_TRUE(nothing(v4(6, tcp(flags)))) << flags;
        EXPECT_TRUE(nothing(v6(6, tcp(flags)))) << flags;
    }
    EXPECT_TRUE(nothing(v4(17, tcp(0x02))));
}

TEST(PacketHeader, TcpHeaderThatIsTooShortOrPastThePacketIsNone) {
    EXPECT_TRUE(nothing(v4(6, tcp(0x02, 4))));
    EXPECT_TRUE(nothing(v4(6, tcp(0x02, 6))));
    EXPECT_TRUE(nothing(v4(6, tcp(0x02).substr(0, 19))));
}

TEST(PacketHeader, WhatTheQueueCutOffAfterTheHeaderIsNotMissed) {
    // 24 bytes of TCP header by its own account, 20 of them copied.
    const std::string whole = v4(6, tcp(0x02, 6, std::string(4, '\1')));
    EXPECT_EQ(described(whole.substr(0, 40)), "10.0.2.100:40000 > 192.0.2.1:443");
    for (std::size_t size = 0; size < 40; ++size) {
        EXPECT_TRUE(nothing(whole.substr(0, size))) << size;
    }
    const std::string six = v6(6, tcp(0x02));
    for (std::size_t size = 0; size < 60; ++size) {
        EXPECT_TRUE(nothing(six.substr(0, size))) << size;
    }
}

TEST(PacketHeader, BytesPastTheIpLengthDoNotCount) {
    std::string packet = v4(6, tcp(0x02));
    packet[3] = 39;
    EXPECT_TRUE(nothing(packet));
    packet[3] = 19;
    EXPECT_TRUE(nothing(packet));
    std::string six = v6(6, tcp(0x02));
    six[5] = 19;
    EXPECT_TRUE(nothing(six));
    six[5] = 0;  // as in a jumbogram
    EXPECT_TRUE(nothing(six));
}

TEST(PacketHeader, WrongVersionsAndHeaderLengthsAreNothing) {
    std::string packet = v4(6, tcp(0x02));
    for (const int first : {0x05, 0x15, 0x55, 0x65, 0xf5, 0x44, 0x40, 0x4f}) {
        packet[0] = static_cast<char>(first);
        EXPECT_TRUE(nothing(packet)) << first;
    }
    EXPECT_TRUE(nothing(""));
}

TEST(PacketHeader, FragmentsOtherThanTheFirstAreNothing) {
    EXPECT_FALSE(nothing(v4(6, tcp(0x02), 0x2000)));
    EXPECT_TRUE(nothing(v4(6, tcp(0x02), 0x2001)));
    EXPECT_TRUE(nothing(v4(6, tcp(0x02), 0x1fff)));
    const auto fragment = [](int upper, int lower) {
        return v6(44, bytes({6, 0, upper, lower, 0, 0, 0, 1}) + tcp(0x02));
    };
    EXPECT_FALSE(nothing(fragment(0, 1)));
    EXPECT_FALSE(nothing(fragment(0, 0)));
    EXPECT_TRUE(nothing(fragment(0, 8)));
    EXPECT_TRUE(nothing(fragment(0x10, 1)));
}

TEST(PacketHeader, WalksExtensionHeaders) {
    const std::string chain = bytes({60, 0, 1, 4, 0, 0, 0, 0}) +        // hop by hop, 8 bytes
                              bytes({43, 1}) + std::string(14, '\0') +  // destination, 16 bytes
                              bytes({6, 0, 4, 0, 0, 0, 0, 0});          // routing, none left
    EXPECT_EQ(described(v6(0, chain + tcp(0x02))), "[fd00::64]:40000 > [2001:db8::1]:443");
    EXPECT_TRUE(nothing(v6(0, chain)));
    EXPECT_TRUE(nothing(v6(0, bytes({6, 200}) + std::string(30, '\0'))));
}

TEST(PacketHeader, ARoutingHeaderWithSegmentsLeftIsNothing) {
    EXPECT_TRUE(nothing(v6(43, bytes({6, 0, 4, 1, 0, 0, 0, 0}) + tcp(0x02))));
}

TEST(PacketHeader, TheWalkIsBounded) {
    const auto chain = [](unsigned count) {
        std::string headers;
        for (unsigned i = 1; i < count; ++i) {
            headers += bytes({60, 0, 1, 4, 0, 0, 0, 0});
        }
        return v6(60, headers + bytes({6, 0, 1, 4, 0, 0, 0, 0}) + tcp(0x02));
    };
    EXPECT_FALSE(nothing(chain(kMaxExtensionHeaders)));
    EXPECT_TRUE(nothing(chain(kMaxExtensionHeaders + 1)));
}

TEST(PacketHeader, Ipv4WithinIpv6AddressesIsRefused) {
    const std::string mapped = bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1});
    EXPECT_TRUE(nothing(v6(6, tcp(0x02), mapped)));
    EXPECT_TRUE(nothing(v6(6, tcp(0x02), kV6To, mapped)));
    EXPECT_TRUE(nothing(v6(58, echo(128, ""), mapped)));
}

TEST(PacketHeader, ReadsAnEchoRequestOfBothFamilies) {
    const std::string four_packet = v4(1, echo(8, "payload"));
    const PacketHeader four = parse(four_packet);
    const auto* request = std::get_if<EchoRequest>(&four);
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(request->from.text(), "10.0.2.100");
    EXPECT_EQ(request->to.text(), "192.0.2.1");
    EXPECT_EQ(request->id, 0x1234);
    EXPECT_EQ(request->sequence, 7);
    EXPECT_EQ(request->payload.size(), 7U);
    EXPECT_EQ(request->payload_size, 7);
    EXPECT_FALSE(request->more_fragments);
    const std::string six_packet = v6(58, echo(128, std::string(100, 'x')));
    const PacketHeader six = parse(six_packet);
    ASSERT_TRUE(std::holds_alternative<EchoRequest>(six));
    EXPECT_EQ(std::get<EchoRequest>(six).to.text(), "2001:db8::1");
}

TEST(PacketHeader, AnEchoSaysHowMuchOfItIsMissing) {
    const std::string cut = v4(1, echo(8, std::string(1000, 'x')), 0x2000).substr(0, 128);
    const PacketHeader header = parse(cut);
    const auto* request = std::get_if<EchoRequest>(&header);
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(request->payload.size(), 100U);
    EXPECT_EQ(request->payload_size, 1000);
    EXPECT_TRUE(request->more_fragments);
}

TEST(PacketHeader, OtherIcmpIsNothing) {
    EXPECT_TRUE(nothing(v4(1, echo(0, "x"))));
    EXPECT_TRUE(nothing(v4(1, echo(8, "x", 1))));
    EXPECT_TRUE(nothing(v4(1, echo(8, "").substr(0, 7))));
    EXPECT_TRUE(nothing(v4(58, echo(128, "x"))));
    EXPECT_TRUE(nothing(v6(1, echo(8, "x"))));
    EXPECT_TRUE(nothing(v6(58, echo(129, "x"))));
}

}  // namespace
}  // namespace rk::wire
