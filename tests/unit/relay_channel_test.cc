// SPDX-License-Identifier: Apache-2.0
#include "wire/relay_channel.h"

#include <gtest/gtest.h>

#include <limits>

namespace rk::wire {
namespace {

template <typename T>
T round_trip(const T& message) {
    const auto decoded = decode_relay(encode(message));
    EXPECT_TRUE(decoded) << (decoded ? "" : decoded.error().message);
    EXPECT_TRUE(decoded && std::holds_alternative<T>(*decoded));
    return decoded ? std::get<T>(*decoded) : T{};
}

TEST(RelayChannel, PortsSurvive) {
    const model::Endpoint target{*model::IpAddress::parse("2001:db8::1"), 8080};
    const AddPort add = round_trip(AddPort{7, 9, Transport::kUdp, target, true});
    EXPECT_EQ(add.request, 7U);
    EXPECT_EQ(add.id, 9U);
    EXPECT_EQ(add.transport, Transport::kUdp);
    EXPECT_EQ(add.target, target);
    EXPECT_TRUE(add.transparent);
    EXPECT_EQ(add.origin, Origin::kInside);
    EXPECT_FALSE(add.fallback);
    EXPECT_FALSE(round_trip(AddPort{}).transparent);
    AddPort both = add;
    both.origin = Origin::kGateway;
    both.fallback = {*model::IpAddress::parse("127.0.0.1"), 8080};
    EXPECT_EQ(round_trip(both).origin, Origin::kGateway);
    EXPECT_EQ(round_trip(both).fallback, both.fallback);
    EXPECT_FALSE(round_trip(both).fallback_transparent);
    both.fallback_transparent = true;
    EXPECT_TRUE(round_trip(both).fallback_transparent);
    const RemovePort remove = round_trip(RemovePort{1, 0xffffffff});
    EXPECT_EQ(remove.request, 1U);
    EXPECT_EQ(remove.id, 0xffffffffU);
    EXPECT_EQ(round_trip(GetStats{3}).request, 3U);
}

TEST(RelayChannel, AnswersSurvive) {
    const Done done = round_trip(Done{4, 13, std::string("permission\0denied", 17)});
    EXPECT_EQ(done.request, 4U);
    EXPECT_EQ(done.code, 13U);
    EXPECT_EQ(done.message.size(), 17U);
    const LogLine line = round_trip(LogLine{2, "flow table is full"});
    EXPECT_EQ(line.level, 2);
    EXPECT_EQ(line.text, "flow table is full");
    EXPECT_EQ(round_trip(LogLine{0, std::string(100000, 'x')}).text.size(), 4096U);
}

TEST(RelayChannel, StatsSurvive) {
    Stats stats;
    stats.request = 5;
    stats.more = true;
    stats.health = {true, 77, 1, 2, 3, 4, std::numeric_limits<std::uint64_t>::max()};
    for (int i = 0; i < 200; ++i) {
        stats.ports.push_back({i, 1, 2, 3, 4, 5, 6, 7});
    }
    EXPECT_LE(encode(stats).size(), kMaxRelayPacket);
    const Stats read = round_trip(stats);
    EXPECT_EQ(read.ports.size(), kPortsPerStats);
    EXPECT_TRUE(read.more);
    EXPECT_TRUE(read.health.running);
    EXPECT_EQ(read.health.pid, 77);
    EXPECT_EQ(read.health.udp_flows, 3U);
    EXPECT_EQ(read.health.fd_limit, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(read.ports.at(127).id, 127);
    EXPECT_EQ(read.ports.at(127).accepted, 1U);
    EXPECT_EQ(read.ports.at(127).dropped, 7U);
}

TEST(RelayChannel, WhatGuestsTellSurvives) {
    Stats stats;
    for (int i = 0; i < 128; ++i) {
        stats.ports.push_back({i, 1, 2, 3, 4, 5, 6, 7});
    }
    for (int i = 0; i < 20; ++i) {
        stats.local_ports.push_back({i, 9, 2, 3, 4, 5, 6, 7});
    }
    stats.extra = std::string(100000, 'x');
    EXPECT_LE(encode(stats).size(), kMaxRelayPacket);
    const Stats read = round_trip(stats);
    EXPECT_EQ(read.ports.size(), 128U);
    ASSERT_EQ(read.local_ports.size(), kMaxLocalPorts);
    EXPECT_EQ(read.local_ports.at(7).id, 7);
    EXPECT_EQ(read.local_ports.at(7).accepted, 9U);
    EXPECT_EQ(read.extra.size(), kMaxExtraStats);
    const Tell tell = round_trip(Tell{6, "resolvers"});
    EXPECT_EQ(tell.request, 6U);
    EXPECT_EQ(tell.text, "resolvers");
    EXPECT_EQ(round_trip(Tell{6, std::string(100000, 'x')}).text.size(), kMaxTell);
    EXPECT_LE(encode(Tell{6, std::string(100000, 'x')}).size(), kMaxRelayPacket);
}

TEST(RelayChannel, RefusesWhatIsNoPacket) {
    std::string add = encode(AddPort{});
    EXPECT_FALSE(decode_relay(""));
    EXPECT_FALSE(decode_relay(std::string(1, '\x08')));
    EXPECT_FALSE(decode_relay(std::string(1, '\0')));
    EXPECT_FALSE(decode_relay(add + "x"));
    for (std::size_t length = 0; length < add.size(); ++length) {
        EXPECT_FALSE(decode_relay(add.substr(0, length))) << length;
    }
    add.back() = '\x02';  // the flag
    EXPECT_FALSE(decode_relay(add));
    add = encode(AddPort{});
    add.at(9) = '\x03';  // the transport
    EXPECT_FALSE(decode_relay(add));
    EXPECT_FALSE(decode_relay(encode(LogLine{9, "level"})));
    EXPECT_FALSE(decode_relay(encode(Done{1, 0x80000000, ""})));
    EXPECT_FALSE(decode_relay(encode(Stats{}) + std::string(kMaxExtraStats + 1, 'x')));
    std::string stats = encode(Stats{});
    stats.at(stats.size() - 1) = '\x09';  // local ports that are not there, and too many
    EXPECT_FALSE(decode_relay(stats));
    EXPECT_FALSE(decode_relay(std::string(kMaxRelayPacket + 1, '\x04')));
}

}  // namespace
}  // namespace rk::wire
