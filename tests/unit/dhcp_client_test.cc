// SPDX-License-Identifier: Apache-2.0
//
// The DHCP client's states, with a clock and answers made by the tests.
#include "drivers/network/dhcp_client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace rk::drivers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::DhcpReply;
using wire::DhcpType;
using State = DhcpClient::State;

constexpr model::MacAddress kMac = {2, 0, 0, 0, 0, 7};

model::IpAddress ip(const char* text) {
    return *model::IpAddress::parse(text);
}

// A client, a server that answers as told, and the time.
class DhcpClientTest : public ::testing::Test {
 protected:
    DhcpClientTest() : client(kMac, [this] { return random += 7; }) {}

    // What the client does, remembering what it sent.
    DhcpOutput take(DhcpOutput output) {
        if (output.packet) {
            last = output.packet;
            ++sent;
        }
        return output;
    }
    DhcpOutput start() { return take(client.start(now)); }
    DhcpOutput hear(const DhcpReply& reply) { return take(client.on_reply(reply, now)); }
    DhcpOutput pass(milliseconds span) {
        now += span;
        return take(client.on_time(now));
    }
    // Lets the time pass until the client does something.
    DhcpOutput pass_to_next() {
        now = std::max(now, *client.next());
        return take(client.on_time(now));
    }

    // A sound answer to what was sent last.
    [[nodiscard]] DhcpReply reply(DhcpType type) const {
        DhcpReply answer;
        answer.type = type;
        answer.transaction = last->query.transaction;
        answer.client = kMac;
        answer.your_address = ip("10.0.3.17");
        answer.prefix = 24;
        answer.routers = {ip("10.0.3.1"), ip("10.0.3.9")};
        answer.dns = {ip("10.0.3.2"), ip("10.0.3.3")};
        answer.lease_seconds = 1000;
        answer.server = ip("10.0.3.1");
        return answer;
    }
    // A new client that has asked for what it was offered.
    void request_anew() {
        client = DhcpClient(kMac, [this] { return random += 7; });
        start();
        hear(reply(DhcpType::kOffer));
    }
    void bind(std::optional<std::uint32_t> lease = 1000) {
        request_anew();
        DhcpReply ack = reply(DhcpType::kAck);
        ack.lease_seconds = lease;
        ASSERT_EQ(hear(ack).event, DhcpEvent::kGranted);
        bound = now;
    }

    std::uint32_t random = 0;
    DhcpClient client;
    DhcpClient::Time now{seconds(1000)};
    DhcpClient::Time bound;
    std::optional<DhcpPacket> last;
    int sent = 0;
};

TEST_F(DhcpClientTest, TheFirstExchange) {
    start();
    EXPECT_EQ(last->query.type, DhcpType::kDiscover);
    EXPECT_TRUE(last->query.broadcast);
    EXPECT_FALSE(last->to_server);
    const std::uint32_t transaction = last->query.transaction;

    hear(reply(DhcpType::kOffer));
    EXPECT_EQ(client.state(), State::kRequesting);
    EXPECT_EQ(last->query.type, DhcpType::kRequest);
    EXPECT_EQ(last->query.transaction, transaction);
    EXPECT_EQ(last->query.requested, ip("10.0.3.17"));
    EXPECT_EQ(last->query.server, ip("10.0.3.1"));
    EXPECT_FALSE(last->query.client_address);

    EXPECT_EQ(hear(reply(DhcpType::kAck)).event, DhcpEvent::kGranted);
    EXPECT_EQ(client.state(), State::kBound);
    EXPECT_FALSE(client.listens());
    const DhcpLease& lease = *client.lease();
    EXPECT_EQ(lease.address, ip("10.0.3.17"));
    EXPECT_EQ(lease.prefix, 24);
    EXPECT_EQ(lease.gateway, ip("10.0.3.1"));
    EXPECT_EQ(lease.dns, std::vector{ip("10.0.3.2")});
    EXPECT_EQ(lease.server, ip("10.0.3.1"));
    EXPECT_EQ(client.next(), now + seconds(500));
}

TEST_F(DhcpClientTest, OnlyAnswersToThisClientCount) {
    start();
    DhcpReply foreign = reply(DhcpType::kOffer);
    foreign.transaction ^= 1;
    EXPECT_FALSE(hear(foreign).packet);
    foreign = reply(DhcpType::kOffer);
    foreign.client[5] ^= 1;
    EXPECT_FALSE(hear(foreign).packet);
    EXPECT_FALSE(hear(reply(DhcpType::kAck)).event);
    EXPECT_FALSE(hear(reply(DhcpType::kNak)).event);
    EXPECT_EQ(client.state(), State::kSelecting);

    hear(reply(DhcpType::kOffer));
    EXPECT_FALSE(hear(reply(DhcpType::kOffer)).packet) << "a second offer";
    DhcpReply other_server = reply(DhcpType::kAck);
    other_server.server = ip("10.0.3.99");
    EXPECT_FALSE(hear(other_server).event);
    EXPECT_EQ(client.state(), State::kRequesting);
}

TEST_F(DhcpClientTest, WithoutAnswerItAsksAgainAtGrowingDistances) {
    start();
    for (const int full : {1, 2, 4, 8, 16, 32, 64, 64}) {
        const auto wait = *client.next() - now;
        EXPECT_GE(wait, seconds(full) * 3 / 4);
        EXPECT_LE(wait, seconds(full) * 5 / 4);
        EXPECT_FALSE(pass(milliseconds(1)).packet);
        EXPECT_TRUE(pass_to_next().packet);
        EXPECT_EQ(last->query.type, DhcpType::kDiscover);
    }
    EXPECT_EQ(sent, 9);
}

TEST_F(DhcpClientTest, AnUnansweredRequestIsRepeatedThenGivenUp) {
    start();
    const std::uint32_t first = last->query.transaction;
    hear(reply(DhcpType::kOffer));
    for (int i = 0; i < 3; ++i) {
        pass_to_next();
        EXPECT_EQ(last->query.type, DhcpType::kRequest);
    }
    pass_to_next();
    EXPECT_EQ(last->query.type, DhcpType::kDiscover);
    EXPECT_NE(last->query.transaction, first);
    EXPECT_EQ(client.state(), State::kSelecting);
}

TEST_F(DhcpClientTest, ItRenewsByUnicastAtHalfTheLease) {
    bind();
    const std::uint32_t first = last->query.transaction;
    EXPECT_FALSE(pass(seconds(499)).packet);
    pass(seconds(1));
    EXPECT_EQ(client.state(), State::kRenewing);
    EXPECT_TRUE(client.listens());
    EXPECT_EQ(last->query.type, DhcpType::kRequest);
    EXPECT_NE(last->query.transaction, first);
    EXPECT_TRUE(last->to_server);
    EXPECT_EQ(last->query.client_address, ip("10.0.3.17"));
    EXPECT_FALSE(last->query.requested);
    EXPECT_FALSE(last->query.server);
    EXPECT_FALSE(last->query.broadcast);

    now += seconds(2);
    EXPECT_EQ(hear(reply(DhcpType::kAck)).event, DhcpEvent::kGranted);
    EXPECT_EQ(client.state(), State::kBound);
    EXPECT_EQ(client.next(), bound + seconds(1000)) << "counted from the request";
}

TEST_F(DhcpClientTest, TheServersTimesAreTakenIfTheyAreInOrder) {
    start();
    hear(reply(DhcpType::kOffer));
    DhcpReply ack = reply(DhcpType::kAck);
    ack.renewal_seconds = 100;
    ack.rebinding_seconds = 200;
    hear(ack);
    EXPECT_EQ(client.next(), now + seconds(100));
    pass(seconds(100));
    EXPECT_EQ(client.next(), now + seconds(60)) << "half of what is left, but a minute";
    pass(seconds(60));
    pass(seconds(40));
    EXPECT_EQ(client.state(), State::kRebinding);
}

TEST_F(DhcpClientTest, TimesOutOfOrderAreReplaced) {
    for (const auto& [renewal, rebinding] :
         {std::pair{0U, 5U}, {5U, 5U}, {900U, 1000U}, {2000U, 3000U}}) {
        request_anew();
        DhcpReply ack = reply(DhcpType::kAck);
        ack.renewal_seconds = renewal;
        ack.rebinding_seconds = rebinding;
        hear(ack);
        EXPECT_EQ(client.next(), now + seconds(500)) << renewal << " " << rebinding;
    }
}

TEST_F(DhcpClientTest, AFailingRenewalIsRetriedUntilTheLeaseEnds) {
    bind();
    EXPECT_FALSE(pass_to_next().event);  // 500
    EXPECT_EQ(pass_to_next().event, DhcpEvent::kUnanswered);
    EXPECT_EQ(now - bound, milliseconds(687500));
    EXPECT_FALSE(pass_to_next().event) << "told once";
    while (client.state() == State::kRenewing) {
        EXPECT_TRUE(last->to_server);
        const DhcpOutput output = pass_to_next();
        if (client.state() == State::kRebinding) {
            EXPECT_EQ(output.event, DhcpEvent::kUnanswered);
        }
    }
    EXPECT_EQ(now - bound, seconds(875));
    EXPECT_FALSE(last->to_server) << "anybody may renew it now";
    EXPECT_EQ(last->query.client_address, ip("10.0.3.17"));
    DhcpOutput output;
    while (client.state() == State::kRebinding) {
        output = pass_to_next();
    }
    EXPECT_EQ(now - bound, seconds(1000));
    EXPECT_EQ(output.event, DhcpEvent::kLost);
    EXPECT_FALSE(client.lease());
    EXPECT_EQ(last->query.type, DhcpType::kDiscover);
    EXPECT_EQ(last->query.requested, ip("10.0.3.17"));
    EXPECT_FALSE(last->query.client_address);

    hear(reply(DhcpType::kOffer));
    EXPECT_EQ(hear(reply(DhcpType::kAck)).event, DhcpEvent::kGranted);
    EXPECT_EQ(client.state(), State::kBound);
}

TEST_F(DhcpClientTest, AnotherServerMayRenewIt) {
    bind();
    while (client.state() != State::kRebinding) {
        pass_to_next();
    }
    DhcpReply ack = reply(DhcpType::kAck);
    ack.server = ip("10.0.3.200");
    EXPECT_EQ(hear(ack).event, DhcpEvent::kGranted);
    EXPECT_EQ(client.lease()->server, ip("10.0.3.200"));
}

TEST_F(DhcpClientTest, AShortLeaseIsRetriedFaster) {
    bind(6);
    pass_to_next();
    EXPECT_EQ(now - bound, seconds(3));
    pass_to_next();
    EXPECT_EQ(now - bound, milliseconds(4125));
    pass_to_next();
    EXPECT_EQ(now - bound, milliseconds(4725)) << "a tenth of the lease";
}

TEST_F(DhcpClientTest, ARefusedRenewalBeginsAnew) {
    bind();
    pass_to_next();
    DhcpReply nak = reply(DhcpType::kNak);
    nak.message = "not yours";
    const DhcpOutput output = hear(nak);
    EXPECT_EQ(output.event, DhcpEvent::kRefused);
    EXPECT_EQ(output.reason, "not yours");
    EXPECT_FALSE(client.lease());
    EXPECT_EQ(last->query.type, DhcpType::kDiscover);
    EXPECT_FALSE(last->query.requested) << "it was just refused";
}

TEST_F(DhcpClientTest, RefusedAgainAndAgainItSlowsDown) {
    start();
    seconds pause{0};
    for (int i = 0; i < 9; ++i) {
        hear(reply(DhcpType::kOffer));
        ASSERT_EQ(client.state(), State::kRequesting);
        const int before = sent;
        const DhcpReply late = reply(DhcpType::kOffer);
        EXPECT_EQ(hear(reply(DhcpType::kNak)).event, DhcpEvent::kRefused);
        if (i == 0) {
            EXPECT_EQ(sent, before + 1);
            continue;
        }
        EXPECT_EQ(sent, before);
        EXPECT_FALSE(hear(late).packet);
        const auto wait = *client.next() - now;
        EXPECT_EQ(wait, pause == seconds(0) ? seconds(1) : std::min(pause * 2, seconds(64)));
        pause = std::chrono::duration_cast<seconds>(wait);
        pass_to_next();
    }
}

TEST_F(DhcpClientTest, AnAckThatIsNoUse) {
    start();
    hear(reply(DhcpType::kOffer));
    DhcpReply ack = reply(DhcpType::kAck);
    ack.your_address = ip("0.0.0.0");
    EXPECT_EQ(hear(ack).reason, "got zero YourIPAddr");
    ack = reply(DhcpType::kAck);
    ack.routers.clear();
    EXPECT_EQ(hear(ack).reason, "got no Router");
    ack = reply(DhcpType::kAck);
    ack.dns.clear();
    const DhcpOutput output = hear(ack);
    EXPECT_EQ(output.event, DhcpEvent::kUnusable);
    EXPECT_EQ(output.reason, "got no DNS");
    EXPECT_EQ(client.state(), State::kRequesting);
    EXPECT_EQ(hear(reply(DhcpType::kAck)).event, DhcpEvent::kGranted);
}

TEST_F(DhcpClientTest, AnOfferThatIsNoUse) {
    start();
    DhcpReply offer = reply(DhcpType::kOffer);
    offer.your_address = ip("0.0.0.0");
    EXPECT_EQ(hear(offer).event, DhcpEvent::kUnusable);
    offer = reply(DhcpType::kOffer);
    offer.server.reset();
    EXPECT_EQ(hear(offer).event, DhcpEvent::kUnusable);
    EXPECT_EQ(client.state(), State::kSelecting);
}

TEST_F(DhcpClientTest, WhatARenewalLeavesOutStays) {
    bind();
    pass_to_next();
    DhcpReply ack = reply(DhcpType::kAck);
    ack.routers.clear();
    ack.dns.clear();
    ack.prefix.reset();
    ack.server.reset();
    const DhcpLease before = *client.lease();
    EXPECT_EQ(hear(ack).event, DhcpEvent::kGranted);
    EXPECT_TRUE(client.lease()->same_setup(before));
    EXPECT_EQ(client.lease()->server, before.server);
}

TEST_F(DhcpClientTest, AnotherAddressInTheRenewal) {
    bind();
    pass_to_next();
    DhcpReply ack = reply(DhcpType::kAck);
    ack.your_address = ip("10.0.3.18");
    const DhcpLease before = *client.lease();
    EXPECT_EQ(hear(ack).event, DhcpEvent::kGranted);
    EXPECT_FALSE(client.lease()->same_setup(before));
    EXPECT_EQ(client.lease()->address, ip("10.0.3.18"));
}

TEST_F(DhcpClientTest, AMissingMaskFollowsFromTheClass) {
    for (const auto& [address, prefix] :
         {std::pair{"10.0.3.17", 8}, {"172.16.0.9", 16}, {"192.168.1.9", 24}}) {
        request_anew();
        DhcpReply ack = reply(DhcpType::kAck);
        ack.your_address = ip(address);
        ack.prefix.reset();
        hear(ack);
        EXPECT_EQ(client.lease()->prefix, prefix) << address;
    }
}

TEST_F(DhcpClientTest, LeasesWithoutAnEndAndWithoutATime) {
    bind(0xffffffff);
    EXPECT_FALSE(client.next());
    EXPECT_FALSE(pass(std::chrono::hours(100000)).packet);
    bind(0);
    EXPECT_FALSE(client.next());
    bind(std::nullopt);
    EXPECT_EQ(client.next(), now + seconds(1800));
}

TEST_F(DhcpClientTest, TheLongestAndTheShortestLease) {
    bind(0xfffffffe);
    EXPECT_EQ(client.next(), now + seconds(0xfffffffe) / 2);
    bind(1);
    int before = sent;
    while (client.state() != State::kSelecting) {
        pass_to_next();
    }
    EXPECT_LE(sent - before, 8) << "no storm";
}

TEST_F(DhcpClientTest, ALateClockSkipsWhatIsOver) {
    bind();
    const DhcpOutput output = pass(seconds(5000));  // a stopped process, a suspended machine
    EXPECT_EQ(client.state(), State::kRenewing);
    EXPECT_TRUE(output.packet);
    EXPECT_EQ(pass(milliseconds(0)).event, DhcpEvent::kLost);
}

TEST_F(DhcpClientTest, TheLeaseIsGivenBack) {
    EXPECT_FALSE(client.release());
    bind();
    const auto packet = client.release();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->query.type, DhcpType::kRelease);
    EXPECT_EQ(packet->query.client_address, ip("10.0.3.17"));
    EXPECT_EQ(packet->query.server, ip("10.0.3.1"));
    EXPECT_TRUE(packet->to_server);
    EXPECT_FALSE(client.release());
    EXPECT_FALSE(client.next());
}

}  // namespace
}  // namespace rk::drivers
