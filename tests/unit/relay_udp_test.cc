// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_batch.h"

#include <set>

#include <netinet/udp.h>

#include "relay_fixture.h"

namespace rk::relay {
namespace {

struct Received {
    std::string text;
    sockaddr_in from{};
};

std::optional<Received> receive_from(sys::FdRef socket) {
    if (!readable_within(socket, kPatienceMs)) {
        return std::nullopt;
    }
    Received received{.text = std::string(65536, '\0')};
    socklen_t length = sizeof received.from;
    const ssize_t got = ::recvfrom(socket.number(), received.text.data(), received.text.size(), 0,
                                   raw(received.from), &length);
    if (got < 0) {
        return std::nullopt;
    }
    received.text.resize(static_cast<std::size_t>(got));
    return received;
}

void send_to(sys::FdRef socket, const sockaddr_in& name, std::string_view text) {
    EXPECT_EQ(::sendto(socket.number(), text.data(), text.size(), 0, raw(name), sizeof name),
              static_cast<ssize_t>(text.size()))
        << std::strerror(errno);
}

TEST(UdpSocket, WhatCameBeforeItWasConnectedIsDropped) {
    const sys::Fd socket = bound(SOCK_DGRAM);
    const sys::Fd stranger = bound(SOCK_DGRAM);
    const sys::Fd peer = bound(SOCK_DGRAM);
    for (int i = 0; i < 100; ++i) {
        send_to(stranger, loopback(port_of(socket)), i % 2 == 0 ? "x" : "");
    }
    const sockaddr_in name = loopback(port_of(peer));
    ASSERT_EQ(::connect(socket.number(), raw(name), sizeof name), 0);
    drop_received(socket);
    send_to(peer, loopback(port_of(socket)), "from the peer");
    const auto first = receive_from(socket);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->text, "from the peer");
}

class RelayUdp : public testing::Test {
 protected:
    /// One datagram to the service and its answer.
    void expect_echo(sys::FdRef client, const std::string& text) {
        send_text_or_empty(client, text);
        const auto request = receive_from(service_);
        ASSERT_TRUE(request);
        EXPECT_EQ(request->text, text);
        send_to(service_, request->from, text + "!");
        const auto answer = receive_from(client);
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->text, text + "!");
    }
    static void send_text_or_empty(sys::FdRef socket, const std::string& text) {
        EXPECT_EQ(::send(socket.number(), text.data(), text.size(), 0),
                  static_cast<ssize_t>(text.size()));
    }
    std::uint16_t inside_port_of_flow(sys::FdRef client) {
        send_text_or_empty(client, "who");
        const auto request = receive_from(service_);
        return request ? ntohs(request->from.sin_port) : 0;
    }

    sys::Fd service_ = bound(SOCK_DGRAM);
};

TEST_F(RelayUdp, CarriesDatagramsBothWays) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    expect_echo(client, "one");
    expect_echo(client, "two");
    const sys::Fd other = connected(SOCK_DGRAM, port);
    expect_echo(other, "three");
    const auto counters = relay.counters(1);
    EXPECT_EQ(counters.accepted, 2U);
    EXPECT_EQ(counters.active, 2U);
    EXPECT_EQ(counters.bytes_in, 11U);
    EXPECT_EQ(counters.bytes_out, 14U);
    EXPECT_EQ(counters.dropped, 0U);
}

TEST_F(RelayUdp, RepliesComeFromTheAddressThatWasAsked) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM, INADDR_ANY), port_of(service_));
    // A connected client only accepts answers from there.
    expect_echo(connected(SOCK_DGRAM, port, INADDR_LOOPBACK + 1), "to 127.0.0.2");
    expect_echo(connected(SOCK_DGRAM, port, INADDR_LOOPBACK + 2), "to 127.0.0.3");
    expect_echo(connected(SOCK_DGRAM, port), "to 127.0.0.1");
}

TEST_F(RelayUdp, OneSocketAskingTwoAddressesIsTwoFlows) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM, INADDR_ANY), port_of(service_));
    const sys::Fd client = bound(SOCK_DGRAM, INADDR_ANY);
    for (const std::uint32_t address : {INADDR_LOOPBACK + 1, INADDR_LOOPBACK + 2}) {
        send_to(client, loopback(port, address), "x");
        const auto request = receive_from(service_);
        ASSERT_TRUE(request);
        send_to(service_, request->from, "y");
        const auto answer = receive_from(client);
        ASSERT_TRUE(answer);
        EXPECT_EQ(ntohl(answer->from.sin_addr.s_addr), address);
    }
    EXPECT_EQ(relay.counters(1).accepted, 2U);
}

TEST_F(RelayUdp, ADualStackSocketAnswersFromTheAskedIpv4Address) {
    sys::Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    const int off = 0;
    ::setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (!socket.valid() ||
        ::bind(socket.number(), reinterpret_cast<const sockaddr*>(&any), sizeof any) < 0) {
        GTEST_SKIP() << "no IPv6 here";
    }
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, std::move(socket), port_of(service_));
    expect_echo(connected(SOCK_DGRAM, port, INADDR_LOOPBACK + 1), "to 127.0.0.2");
    expect_echo(connected(SOCK_DGRAM, port), "to 127.0.0.1");
}

TEST_F(RelayUdp, EmptyAndLargestDatagramsAreForwarded) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    expect_echo(client, "");
    const std::string largest(65507, 'm');
    send_text_or_empty(client, largest);
    const auto request = receive_from(service_);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->text, largest);
    send_to(service_, request->from, largest);
    const auto answer = receive_from(client);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->text, largest);
    send_to(service_, request->from, "");
    const auto empty = receive_from(client);
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->text, "");
}

// Equal sizes in a row go out as one bundle; the service must see them as they were sent.
TEST_F(RelayUdp, BurstsKeepTheirBordersAndOrder) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    std::vector<std::string> sent;
    for (const std::size_t size : {500U, 500U, 500U, 200U, 0U, 700U, 700U, 1U, 1U, 1U, 1200U}) {
        sent.push_back(std::string(size, static_cast<char>('a' + sent.size())));
    }
    for (int round = 0; round < 20; ++round) {
        for (const std::string& text : sent) {
            send_text_or_empty(client, text);
        }
        for (const std::string& text : sent) {
            const auto request = receive_from(service_);
            ASSERT_TRUE(request);
            EXPECT_EQ(request->text, text);
        }
    }
    EXPECT_EQ(relay.counters(1).dropped, 0U);
}

// A sender's own bundle (QUIC servers and clients make them) arrives as separate datagrams.
TEST_F(RelayUdp, BundlesOfTheSenderAreForwardedAsDatagrams) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    const int segment = 1000;
    if (::setsockopt(client.number(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) < 0) {
        GTEST_SKIP() << "no UDP_SEGMENT here";
    }
    send_text_or_empty(client, std::string(10500, 'b'));
    for (int i = 0; i < 11; ++i) {
        const auto request = receive_from(service_);
        ASSERT_TRUE(request);
        EXPECT_EQ(request->text.size(), i < 10 ? 1000U : 500U);
    }
}

TEST_F(RelayUdp, AnIdleFlowEnds) {
    RunningRelay relay(RelayLimits{.workers = 2, .udp_flow_idle_ms = 60});
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    const std::uint16_t first = inside_port_of_flow(client);
    EXPECT_TRUE(relay.becomes_idle());
    EXPECT_NE(inside_port_of_flow(client), 0);
    EXPECT_NE(first, 0);
    EXPECT_EQ(relay.counters(1).accepted, 2U);
}

TEST_F(RelayUdp, TrafficOfEitherDirectionKeepsAFlow) {
    constexpr int kIdleMs = 1500;  // the pauses add up to more, each is far less
    RunningRelay relay(RelayLimits{.workers = 2, .udp_flow_idle_ms = kIdleMs});
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    const std::uint16_t first = inside_port_of_flow(client);
    for (int i = 0; i < 6; ++i) {  // only in
        std::this_thread::sleep_for(std::chrono::milliseconds(kIdleMs / 5));
        EXPECT_EQ(inside_port_of_flow(client), first);
    }
    for (int i = 0; i < 6; ++i) {  // only out
        std::this_thread::sleep_for(std::chrono::milliseconds(kIdleMs / 5));
        send_to(service_, loopback(first), "news");
        EXPECT_TRUE(receive_from(client));
    }
    EXPECT_EQ(inside_port_of_flow(client), first);
    EXPECT_EQ(relay.counters(1).accepted, 1U);
}

TEST_F(RelayUdp, TheNumberOfFlowsIsBounded) {
    RunningRelay relay(RelayLimits{.workers = 2, .max_udp_flows = 32});
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd faithful = connected(SOCK_DGRAM, port);
    const std::uint16_t inside = inside_port_of_flow(faithful);
    for (int i = 0; i < 500; ++i) {
        expect_echo(connected(SOCK_DGRAM, port), "x");
        if (i % 10 == 0) {  // used again and again, so never the least recently used
            EXPECT_EQ(inside_port_of_flow(faithful), inside);
        }
    }
    const auto stats = relay.stats();
    EXPECT_LE(stats.health.udp_flows, 32U);
    EXPECT_GE(stats.health.udp_flows, 8U);
    EXPECT_EQ(relay.counters(1).dropped, 0U);
}

TEST_F(RelayUdp, TheFirstDatagramAfterARestartOfTheServiceArrives) {
    RunningRelay relay;
    const std::uint16_t service_port = port_of(service_);
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), service_port);
    const sys::Fd client = connected(SOCK_DGRAM, port);
    expect_echo(client, "before");
    service_.reset();
    for (int i = 0; i < 3; ++i) {
        send_text_or_empty(client, "lost");
    }
    ASSERT_TRUE(eventually([&] { return relay.counters(1).refused > 0; }));
    service_ = bound(SOCK_DGRAM, INADDR_LOOPBACK, service_port);
    expect_echo(client, "after");
    EXPECT_EQ(relay.counters(1).accepted, 1U);
}

TEST_F(RelayUdp, RemovalEndsTheFlows) {
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, bound(SOCK_DGRAM), port_of(service_));
    const sys::Fd client = connected(SOCK_DGRAM, port);
    expect_echo(client, "x");
    EXPECT_EQ(relay.remove(1), 0U);
    EXPECT_EQ(relay.stats().health.udp_flows, 0U);
    EXPECT_EQ(port_of(bound(SOCK_DGRAM, INADDR_LOOPBACK, port)), port);
}

}  // namespace
}  // namespace rk::relay
