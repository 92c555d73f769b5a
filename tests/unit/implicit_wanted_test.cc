// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/implicit_wanted.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rk::drivers {
namespace {

wire::WaitingSocket at(const char* address, std::uint16_t port) {
    wire::WaitingSocket socket;
    socket.local = {*model::IpAddress::parse(address), port};
    return socket;
}

std::vector<std::string> texts(const WantedPorts& wanted) {
    std::vector<std::string> texts;
    for (const auto& [port, target] : wanted.targets()) {
        texts.push_back(fmt::format("{} {}", port.text(), target.text()));
    }
    return texts;
}

using Texts = std::vector<std::string>;

TEST(WantedPorts, EachFamilyHasItsLoopback) {
    WantedPorts wanted({}, true);
    wanted.add(SocketKind::kTcp, at("127.0.0.1", 80));
    wanted.add(SocketKind::kTcp, at("0.0.0.0", 81));
    wanted.add(SocketKind::kTcp, at("::1", 80));
    wanted.add(SocketKind::kUdp, at("10.0.2.100", 53));
    EXPECT_EQ(texts(wanted), (Texts{"127.0.0.1:53/udp 10.0.2.100", "127.0.0.1:80/tcp 127.0.0.1",
                                    "[::1]:80/tcp ::1", "127.0.0.1:81/tcp 0.0.0.0"}));
}

TEST(WantedPorts, ADualStackWildcardWantsBoth) {
    WantedPorts wanted({}, true);
    wanted.add(SocketKind::kTcp, at("::", 80));
    wire::WaitingSocket v6_only = at("::", 81);
    v6_only.v6_only = true;
    wanted.add(SocketKind::kTcp, v6_only);
    EXPECT_EQ(texts(wanted),
              (Texts{"127.0.0.1:80/tcp 0.0.0.0", "[::1]:80/tcp ::", "[::1]:81/tcp ::"}));
}

TEST(WantedPorts, AHostWithoutIpv6HasNoIpv6Loopback) {
    WantedPorts wanted({}, false);
    wanted.add(SocketKind::kTcp, at("::", 80));
    wanted.add(SocketKind::kTcp, at("::1", 81));
    EXPECT_EQ(texts(wanted), (Texts{"127.0.0.1:80/tcp 0.0.0.0"}));
}

TEST(WantedPorts, EphemeralUdpPortsAreClients) {
    WantedPorts wanted({40000, 50000}, true);
    for (const std::uint16_t port :
         std::initializer_list<std::uint16_t>{39999, 40000, 50000, 50001}) {
        wanted.add(SocketKind::kUdp, at("0.0.0.0", port));
    }
    wanted.add(SocketKind::kTcp, at("0.0.0.0", 45000));
    EXPECT_EQ(texts(wanted), (Texts{"127.0.0.1:39999/udp 0.0.0.0", "127.0.0.1:45000/tcp 0.0.0.0",
                                    "127.0.0.1:50001/udp 0.0.0.0"}));
}

TEST(WantedPorts, WhatNoPlainCallReachesIsLeftOut) {
    WantedPorts wanted({}, true);
    for (const char* address : {"224.0.0.251", "239.1.2.3", "ff02::fb", "fe80::1", "febf::1"}) {
        wanted.add(SocketKind::kUdp, at(address, 5353));
    }
    wire::WaitingSocket on_device = at("0.0.0.0", 67);
    on_device.device = 2;
    wanted.add(SocketKind::kUdp, on_device);
    wire::WaitingSocket connected = at("10.0.2.100", 123);
    connected.connected = true;
    wanted.add(SocketKind::kUdp, connected);
    wanted.add(SocketKind::kUdp, at("0.0.0.0", 0));
    EXPECT_EQ(texts(wanted), Texts{});
    wanted.add(SocketKind::kUdp, at("fec0::1", 1));
    EXPECT_EQ(texts(wanted), (Texts{"[::1]:1/udp fec0::1"}));
}

TEST(WantedPorts, OfSeveralSocketsOnAPortTheBestReachableIsCalled) {
    const std::vector<const char*> by_rank = {"0.0.0.0", "127.0.0.1", "10.0.2.100", "172.17.0.1"};
    for (std::size_t best = 0; best < by_rank.size(); ++best) {
        for (const bool ascending : {true, false}) {
            WantedPorts wanted({}, true);
            for (std::size_t i = best; i < by_rank.size(); ++i) {
                const std::size_t which = ascending ? i : by_rank.size() - 1 - (i - best);
                wanted.add(SocketKind::kTcp, at(by_rank[which], 80));
            }
            EXPECT_EQ(texts(wanted), (Texts{fmt::format("127.0.0.1:80/tcp {}", by_rank[best])}));
        }
    }
}

TEST(WantedPorts, TheLowestOfTooManyAreWanted) {
    WantedPorts wanted({}, true);
    for (std::uint16_t port = 3000; port > 1000; --port) {
        wanted.add(SocketKind::kTcp, at("0.0.0.0", port));
        EXPECT_EQ(wanted.overflown(), wanted.targets().size() == kMaxImplicitPorts && port < 1977);
    }
    ASSERT_EQ(wanted.targets().size(), kMaxImplicitPorts);
    EXPECT_EQ(wanted.targets().begin()->first.port, 1001);
    EXPECT_EQ(wanted.targets().rbegin()->first.port, 1000 + kMaxImplicitPorts);
}

TEST(EphemeralPorts, AreReadFromTheSysctl) {
    EXPECT_EQ(parse_ephemeral_ports("32768\t60999\n"), (EphemeralPorts{32768, 60999}));
    EXPECT_EQ(parse_ephemeral_ports("1\t65535\n"), (EphemeralPorts{1, 65535}));
    for (const char* wrong : {"", "1", "5 4", "1 65536", "a b", "1 2 3", "-1 5"}) {
        EXPECT_EQ(parse_ephemeral_ports(wrong), EphemeralPorts{}) << wrong;
    }
}

}  // namespace
}  // namespace rk::drivers
