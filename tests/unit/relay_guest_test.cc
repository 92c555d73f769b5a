// SPDX-License-Identifier: Apache-2.0
//
// What lives in a relay beside published ports: guests, local ports and their choosers.
#include "relay/guest.h"
#include "relay/onward.h"
#include "relay/shared.h"
#include "relay/tcp_dial.h"

#include <atomic>
#include <mutex>

#include <fcntl.h>

#include "relay_fixture.h"

namespace rk::relay {
namespace {

constexpr std::int64_t kGuestPauseMs = 5;

/// Sends back what comes over a socket, and ticks once a while.
class EchoGuest final : public Guest {
 public:
    EchoGuest(Poller& poller, sys::Fd socket, std::atomic<int>& ticks)
        : poller_(poller), socket_(std::move(socket)), ticks_(ticks) {}

    Result<void> prepare() override {
        const int code = poller_.add(socket_, EPOLLIN, {.kind = Kind::kEcho, .index = 7});
        return code == 0 ? Result<void>{} : fail(errno_error(code, "watch"));
    }
    void on_event(Tag tag, std::uint32_t events, std::int64_t now) override {
        char text[64] = {};
        const ssize_t got = ::recv(socket_.number(), text, sizeof text, MSG_DONTWAIT);
        if (tag.kind == Kind::kEcho && tag.index == 7 && (events & EPOLLIN) != 0 && now > 0 &&
            got > 0) {
            static_cast<void>(!::send(socket_.number(), text, static_cast<std::size_t>(got), 0));
        }
        if (got == 0) {
            poller_.remove(socket_);
        }
    }
    [[nodiscard]] std::int64_t next_due() const override { return due_; }
    void end_of_batch(std::int64_t now) override {
        if (now >= due_) {
            due_ = now + kGuestPauseMs;
            ++ticks_;
        }
    }

 private:
    Poller& poller_;
    sys::Fd socket_;
    std::atomic<int>& ticks_;
    std::int64_t due_ = 0;
};

/// Says what the test tells it to say.
class TestChooser final : public OnwardChooser {
 public:
    Onward choose(sys::FdRef accepted, const model::Endpoint& peer, std::int64_t now) override {
        const std::lock_guard lock(mutex_);
        asked_ = peer;
        valid_ = accepted.number() >= 0 && now > 0;
        return std::move(next_);
    }
    void next(Onward onward) {
        const std::lock_guard lock(mutex_);
        next_ = std::move(onward);
    }
    bool was_asked_by(std::uint16_t port) {
        const std::lock_guard lock(mutex_);
        return valid_ && asked_.port == port && asked_.address.is_loopback();
    }

 private:
    std::mutex mutex_;
    Onward next_;
    model::Endpoint asked_;
    bool valid_ = false;
};

std::shared_ptr<Port> local_port(sys::Fd socket, OnwardChooser* chooser) {
    auto port = std::make_shared<Port>();
    port->id = kFirstLocalPort;
    port->socket = std::move(socket);
    port->chooser = chooser;
    return port;
}

TEST(RelayGuest, EachWorkerHasOneInItsLoop) {
    std::vector<sys::Fd> ours;
    std::atomic<int> ticks{0};
    RelayParts parts;
    parts.make_guest = [&](Shared& shared, Poller& poller,
                           unsigned worker) -> Result<std::unique_ptr<Guest>> {
        EXPECT_EQ(shared.workers, 2U);
        EXPECT_EQ(worker, ours.size());
        auto pair = TRY(sys::seqpacket_pair());
        ours.push_back(std::move(pair.first));
        return std::make_unique<EchoGuest>(poller, std::move(pair.second), ticks);
    };
    RunningRelay relay(RelayLimits{.workers = 2}, std::move(parts));
    EXPECT_EQ(relay.stats().ports.size(), 0U);  // by now the workers have been made
    ASSERT_EQ(ours.size(), 2U);
    for (const sys::Fd& socket : ours) {
        send_text(socket, "hello");
        ASSERT_TRUE(readable_within(socket, kPatienceMs));
        EXPECT_EQ(receive_text(socket), "hello");
    }
    const int before = ticks;
    EXPECT_TRUE(eventually([&] { return ticks > before + 3; }));
}

TEST(RelayGuest, OneThatCannotBeMadeEndsTheRelay) {
    auto pair = sys::seqpacket_pair();
    ASSERT_TRUE(pair);
    RelayParts parts;
    parts.make_guest = [](Shared&, Poller&, unsigned) -> Result<std::unique_ptr<Guest>> {
        return fail("no guest");
    };
    const auto outcome = run(std::move(pair->second), {.workers = 2}, std::move(parts));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "no guest");
}

TEST(RelayGuest, TheParentTalksToThem) {
    std::string heard;
    RelayParts parts;
    parts.extra_stats = [&] { return "heard " + heard; };
    parts.on_tell = [&](std::string_view text) -> Result<void> {
        heard = text;
        return text == "bad" ? fail(errno_error(EBADMSG, "listen")) : Result<void>{};
    };
    RunningRelay relay(RelayLimits{.workers = 1}, std::move(parts));
    EXPECT_EQ(relay.tell("news").code, 0U);
    EXPECT_EQ(relay.stats().extra, "heard news");
    const wire::Done refused = relay.tell("bad");
    EXPECT_EQ(refused.code, static_cast<std::uint32_t>(EBADMSG));
    EXPECT_EQ(refused.message, errno_error(EBADMSG, "listen").message);
}

TEST(RelayGuest, NobodyListensWithoutThem) {
    RunningRelay relay;
    EXPECT_EQ(relay.tell("news").code, static_cast<std::uint32_t>(EOPNOTSUPP));
    EXPECT_EQ(relay.stats().extra, "");
}

class Chosen : public testing::Test {
 protected:
    Chosen() {
        sys::Fd listener = listening();
        port_ = port_of(listener);
        RelayParts parts;
        parts.local_ports.push_back(local_port(std::move(listener), &chooser_));
        relay_.emplace(RelayLimits{.workers = 2}, std::move(parts));
    }

    TestChooser chooser_;
    std::uint16_t port_ = 0;
    std::optional<RunningRelay> relay_;
};

TEST_F(Chosen, AConnectedSocketIsOpenAtOnce) {
    const sys::Fd service = listening();
    sys::Fd onward = connected(SOCK_STREAM, port_of(service));
    const int flags = ::fcntl(onward.number(), F_GETFL);
    ::fcntl(onward.number(), F_SETFL, flags | O_NONBLOCK);
    const sys::Fd inside = accepted(service);
    send_text(inside, "greeting");  // before the client is there
    chooser_.next({.connected = std::move(onward), .target = {}, .refusal = 0});
    const sys::Fd client = connected(SOCK_STREAM, port_);
    EXPECT_EQ(receive_text(client), "greeting");
    EXPECT_TRUE(chooser_.was_asked_by(port_of(client)));
    const std::string big(std::size_t{4} << 20U, 'b');
    std::thread writer([&] {
        send_text(client, big);
        ::shutdown(client.number(), SHUT_WR);
    });
    EXPECT_EQ(receive_to_end(inside), big);
    writer.join();
    send_text(inside, "end");
    ::shutdown(inside.number(), SHUT_WR);
    EXPECT_EQ(receive_to_end(client), "end");
    EXPECT_TRUE(relay_->becomes_idle());
}

// The onward socket is full before its EPOLLOUT was ever asked for.
TEST_F(Chosen, AFullSocketIsWatched) {
    const sys::Fd service = listening();
    sys::Fd onward = connected(SOCK_STREAM, port_of(service));
    const int flags = ::fcntl(onward.number(), F_GETFL);
    ::fcntl(onward.number(), F_SETFL, flags | O_NONBLOCK);
    const sys::Fd inside = accepted(service);
    chooser_.next({.connected = std::move(onward), .target = {}, .refusal = 0});
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const std::string big(std::size_t{32} << 20U, 'f');
    std::thread writer([&] {
        send_text(client, big);
        ::shutdown(client.number(), SHUT_WR);
    });
    EXPECT_TRUE(eventually([&] { return relay_->stats().local_ports.at(0).bytes_in > 0; }));
    EXPECT_EQ(receive_to_end(inside).size(), big.size());
    writer.join();
}

TEST_F(Chosen, ATargetIsCalled) {
    const sys::Fd service = listening();
    chooser_.next(
        {.connected = sys::Fd(),
         .target = {.address = model::IpAddress::v4(INADDR_LOOPBACK), .port = port_of(service)},
         .refusal = 0});
    const sys::Fd client = connected(SOCK_STREAM, port_);
    const sys::Fd inside = accepted(service);
    send_text(client, "hello");
    EXPECT_EQ(receive_text(inside), "hello");
}

TEST_F(Chosen, ARefusalIsAReset) {
    chooser_.next({.connected = sys::Fd(), .target = {}, .refusal = ECONNREFUSED});
    const sys::Fd client = connected(SOCK_STREAM, port_);
    EXPECT_FALSE(receive_text(client));
    EXPECT_EQ(errno, ECONNRESET);
    EXPECT_TRUE(relay_->becomes_idle());
    const wire::Stats stats = relay_->stats();
    EXPECT_TRUE(stats.ports.empty());  // local ports are not published ones
    ASSERT_EQ(stats.local_ports.size(), 1U);
    EXPECT_EQ(stats.local_ports[0].id, 0);
    EXPECT_EQ(stats.local_ports[0].accepted, 1U);
    EXPECT_EQ(stats.local_ports[0].refused, 1U);
    EXPECT_EQ(stats.local_ports[0].active, 0U);
}

TEST(RelayGuest, LocalPortsCallAFixedTarget) {
    const sys::Fd service = listening();
    sys::Fd listener = listening();
    const std::uint16_t port = port_of(listener);
    auto local = local_port(std::move(listener), nullptr);
    local->target = {.address = model::IpAddress::v4(INADDR_LOOPBACK), .port = port_of(service)};
    RelayParts parts;
    parts.local_ports.push_back(local);
    RunningRelay relay(RelayLimits{.workers = 2}, std::move(parts));
    const sys::Fd client = connected(SOCK_STREAM, port);
    const sys::Fd inside = accepted(service);
    send_text(client, "hello");
    EXPECT_EQ(receive_text(inside), "hello");
}

TEST(RelayGuest, LocalPortsHaveTheirOwnIds) {
    auto pair = sys::seqpacket_pair();
    ASSERT_TRUE(pair);
    RelayParts parts;
    parts.local_ports.push_back(local_port(listening(), nullptr));
    parts.local_ports.back()->id = 1;
    EXPECT_FALSE(run(std::move(pair->second), {.workers = 1}, std::move(parts)));
}

}  // namespace
}  // namespace rk::relay
