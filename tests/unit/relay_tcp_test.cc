// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "relay_fixture.h"

namespace rk::relay {
namespace {

// A byte stream that shows swapped, lost and doubled pieces.
std::string pattern(std::size_t size, std::uint32_t seed) {
    std::string text(size, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& c : text) {
        state = state * 1664525U + 1013904223U;
        c = static_cast<char>(state >> 24U);
    }
    return text;
}

class RelayTcp : public testing::Test {
 protected:
    sys::Fd service_ = listening();
    RunningRelay relay_;
    std::uint16_t port_ = relay_.add(1, listening(), port_of(service_));
};

TEST_F(RelayTcp, CarriesBytesBothWays) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    send_text(client, "ping");
    EXPECT_EQ(receive_text(inside), "ping");
    send_text(inside, "pong");
    EXPECT_EQ(receive_text(client), "pong");
}

TEST_F(RelayTcp, TheServiceMaySpeakFirst) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    send_text(inside, "220 hello");
    EXPECT_EQ(receive_text(client), "220 hello");
}

TEST_F(RelayTcp, PassesEachHalfCloseOn) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    send_text(client, "request");
    ::shutdown(client.number(), SHUT_WR);
    EXPECT_EQ(receive_to_end(inside), "request");
    send_text(inside, "answer after the client's end");
    ::shutdown(inside.number(), SHUT_WR);
    EXPECT_EQ(receive_to_end(client), "answer after the client's end");
    EXPECT_TRUE(relay_.becomes_idle());
}

TEST_F(RelayTcp, PassesTheServicesHalfCloseOn) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    ::shutdown(inside.number(), SHUT_WR);
    EXPECT_EQ(receive_text(client), "");
    send_text(client, "still");
    EXPECT_EQ(receive_text(inside), "still");
}

TEST_F(RelayTcp, PassesTheClientsResetOn) {
    sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    send_text(client, "x");
    EXPECT_EQ(receive_text(inside), "x");
    reset(std::move(client));
    EXPECT_FALSE(receive_text(inside));
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_TRUE(relay_.becomes_idle());
}

TEST_F(RelayTcp, PassesTheServicesResetOn) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    reset(accepted(service_));
    EXPECT_FALSE(receive_text(client));
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_TRUE(relay_.becomes_idle());
}

TEST_F(RelayTcp, PassesAResetAfterAHalfCloseOn) {
    sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    ::shutdown(client.number(), SHUT_WR);
    EXPECT_EQ(receive_text(inside), "");
    reset(std::move(client));
    ASSERT_TRUE(relay_.becomes_idle());
    EXPECT_EQ(::send(inside.number(), "x", 1, MSG_NOSIGNAL), -1);
}

TEST_F(RelayTcp, ARefusingServiceIsAResetAtOnce) {
    service_.reset();
    const auto begin = std::chrono::steady_clock::now();
    const sys::Fd client = connected(SOCK_STREAM, port_);
    EXPECT_FALSE(receive_text(client));
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20 * 10))
        << "20 ms is the promise; ten times that is for a busy machine";
    EXPECT_TRUE(eventually([this] { return relay_.counters(1).refused == 1; }));
    EXPECT_TRUE(relay_.becomes_idle());
}

void pump_both(sys::FdRef one, sys::FdRef other, std::size_t size) {
    const std::string there = pattern(size, 1);
    const std::string back = pattern(size, 2);
    std::string got_there;
    std::thread writer([&] {
        send_text(one, there);
        ::shutdown(one.number(), SHUT_WR);
    });
    std::thread answerer([&] {
        send_text(other, back);
        ::shutdown(other.number(), SHUT_WR);
    });
    std::thread reader([&] { got_there = receive_to_end(other); });
    const std::string got_back = receive_to_end(one);
    writer.join();
    answerer.join();
    reader.join();
    EXPECT_TRUE(got_there == there);
    EXPECT_TRUE(got_back == back);
}

TEST_F(RelayTcp, ABigTransferArrivesWhole) {
    constexpr std::size_t kSize = std::size_t{48} << 20U;
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    pump_both(client, inside, kSize);
    EXPECT_TRUE(relay_.becomes_idle());
    const auto counters = relay_.counters(1);
    EXPECT_EQ(counters.bytes_in, kSize);
    EXPECT_EQ(counters.bytes_out, kSize);
    EXPECT_EQ(counters.accepted, 1U);
    EXPECT_EQ(counters.active, 0U);
}

TEST_F(RelayTcp, ManyTransfersOfOddSizesArriveWhole) {
    for (const std::size_t size : {1U, 16383U, 16384U, 16385U, 65536U, 262145U, 3000001U}) {
        const sys::Fd client = connected(SOCK_STREAM, port_);
        const sys::Fd inside = accepted(service_);
        pump_both(client, inside, size);
    }
    EXPECT_TRUE(relay_.becomes_idle());
}

TEST_F(RelayTcp, ASlowReaderHoldsTheSenderBack) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    const std::string block = pattern(65536, 3);
    std::size_t taken = 0;
    for (;;) {  // until nothing moves for a while
        const ssize_t sent =
            ::send(client.number(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            taken += static_cast<std::size_t>(sent);
            continue;
        }
        pollfd entry{.fd = client.number(), .events = POLLOUT, .revents = 0};
        if (::poll(&entry, 1, 300) == 0) {
            break;
        }
    }
    EXPECT_LT(taken, std::size_t{64} << 20U) << "only kernel buffers and one pipe may fill";
    ::shutdown(client.number(), SHUT_WR);
    EXPECT_EQ(receive_to_end(inside).size(), taken);
}

TEST_F(RelayTcp, RemovalClosesTheListenerAndLiveConnections) {
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd other = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service_);
    send_text(client, "x");
    EXPECT_EQ(relay_.remove(1), 0U);
    EXPECT_TRUE(readable_within(client, kPatienceMs));
    EXPECT_TRUE(readable_within(other, kPatienceMs));
    EXPECT_TRUE(readable_within(inside, kPatienceMs));
    const sys::Fd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in name = loopback(port_);
    EXPECT_EQ(::connect(late.number(), raw(name), sizeof name), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(relay_.stats().health.open_connections, 0U);
    EXPECT_EQ(relay_.remove(1), static_cast<std::uint32_t>(ENOENT));
    relay_.add(2, listening(port_), port_of(service_));  // free again at once
}

TEST_F(RelayTcp, ARangeIsOneId) {
    const std::uint16_t second = relay_.add(1, listening(), port_of(service_));
    for (const std::uint16_t port : {port_, second}) {
        const sys::Fd client = connected(SOCK_STREAM, port);
        send_text(client, "x");
        EXPECT_EQ(receive_text(accepted(service_)), "x");
    }
    EXPECT_EQ(relay_.counters(1).accepted, 2U);
    EXPECT_EQ(relay_.remove(1), 0U);
    EXPECT_THAT(relay_.stats().ports, testing::IsEmpty());
}

TEST_F(RelayTcp, AFamilyMismatchIsNotTransparent) {
    // Loopback clients are never transparent either, so this needs no capability.
    const std::uint16_t port = relay_.add(7, listening(), port_of(service_), true);
    const sys::Fd client = connected(SOCK_STREAM, port);
    send_text(client, "x");
    EXPECT_EQ(receive_text(accepted(service_)), "x");
    EXPECT_EQ(relay_.counters(7).errors, 0U);
}

TEST_F(RelayTcp, ConnectionsAtALimitWaitForOthersToEnd) {
    RunningRelay relay(RelayLimits{.workers = 2, .max_connections = 4});
    const std::uint16_t port = relay.add(1, listening(), port_of(service_));
    std::vector<sys::Fd> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(connected(SOCK_STREAM, port));
        send_text(clients.back(), std::to_string(i));
    }
    for (int served = 0; served < 12; ++served) {
        const sys::Fd inside = accepted(service_);
        EXPECT_LE(relay.stats().health.open_connections, 4U);
        const auto who = receive_text(inside);
        ASSERT_TRUE(who);
        clients.at(std::stoul(*who)).reset();
    }
    EXPECT_TRUE(relay.becomes_idle());
}

TEST_F(RelayTcp, ManyShortConnectionsLeaveNothingBehind) {
    std::atomic<bool> stop{false};
    std::thread server([&] {
        while (!stop) {
            if (!readable_within(service_, 50)) {
                continue;
            }
            const sys::Fd inside = accepted(service_);
            const auto text = receive_text(inside);
            send_text(inside, text.value_or("?"));
        }
    });
    const auto before = relay_.stats().health.open_fds;
    for (int i = 0; i < 300; ++i) {
        const sys::Fd client = connected(SOCK_STREAM, port_);
        const std::string word = std::to_string(i);
        send_text(client, word);
        EXPECT_EQ(receive_to_end(client), word);
    }
    stop = true;
    server.join();
    ASSERT_TRUE(relay_.becomes_idle());
    EXPECT_EQ(relay_.stats().health.open_fds, before);
}

TEST_F(RelayTcp, GarbageInsteadOfASocketIsRefused) {
    relay_.send_raw(wire::encode(wire::AddPort{.request = 99, .id = 5, .target = {}}));
    const auto done = relay_.done();
    EXPECT_EQ(done.request, 99U);
    EXPECT_EQ(done.code, static_cast<std::uint32_t>(EINVAL));
}

}  // namespace
}  // namespace rk::relay
