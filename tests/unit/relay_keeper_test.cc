// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/relay_keeper.h"

#include "sys/seqpacket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::drivers {
namespace {

// A relay that is none: it hears what it is told, tells it in its stats, and dies of "die".
[[noreturn]] void fake_relay(const sys::Fd& inherited) {
    const sys::Fd channel(::dup2(inherited.number(), 3));
    ::syscall(SYS_close_range, 4U, ~0U, 0U);
    std::string heard;
    for (;;) {
        pollfd ready{channel.number(), POLLIN, 0};
        ::poll(&ready, 1, -1);
        const auto packet = sys::receive_packet(channel, wire::kMaxRelayPacket);
        if (!packet || !*packet || (*packet)->empty()) {
            ::_exit(0);
        }
        const auto message = wire::decode_relay(**packet);
        if (const auto* tell = std::get_if<wire::Tell>(&*message)) {
            if (tell->text == "die") {
                ::_exit(7);
            }
            heard += tell->text;
            const wire::Done done{tell->request, tell->text == "bad" ? 22U : 0U, ""};
            static_cast<void>(sys::send_packet(channel, wire::encode(done)));
        } else if (const auto* get = std::get_if<wire::GetStats>(&*message)) {
            wire::Stats stats;
            stats.request = get->request;
            stats.local_ports.push_back({0, 5, 0, 0, 0, 0, 0, 0});
            stats.extra = heard;
            static_cast<void>(sys::send_packet(channel, wire::encode(stats)));
        }
    }
}

class RelayKeeperTest : public testing::Test {
 protected:
    RelayKeeperTest() : log_({.id = "parent"}) {
        auto loop = loop::EventLoop::create();
        loop_.emplace(std::move(*loop));
        make({});
    }
    ~RelayKeeperTest() override { keeper_.reset(); }

    void make(RelayPace pace) {
        keeper_.reset();
        starts_ = 0;
        keeper_ = std::make_unique<RelayKeeper>([this] { return start(); }, log_, pace);
    }
    Result<RelayConnection> start() {
        ++starts_;
        if (broken_) {
            return fail("no process");
        }
        auto [ours, theirs] = TRY(sys::seqpacket_pair());
        const pid_t pid = TRY(sys::clone_process(0));
        if (pid == 0) {
            ours.reset();
            fake_relay(theirs);
        }
        return RelayConnection{std::move(ours), pid};
    }
    // Says it to each relay that starts.
    void add_teller(const std::string& text) {
        keeper_->add_user(text.c_str(), [text](RelayLink& relay) { return relay.tell(text); });
    }
    void kill_relay() {
        ASSERT_NE(keeper_->relay(), nullptr);
        ::kill(keeper_->relay()->pid(), SIGKILL);
    }
    bool loop_until_started(int times) {
        const auto deadline = sys::Deadline::after(std::chrono::seconds(10));
        while (starts_ < times && !deadline.passed()) {
            EXPECT_TRUE(loop_->run_once(deadline));
        }
        return starts_ >= times;
    }
    std::string heard() {
        const auto stats = keeper_->stats();
        return stats ? stats->extra : stats.error().message;
    }

    Logger log_;
    std::optional<loop::EventLoop> loop_;
    int starts_ = 0;
    bool broken_ = false;
    std::unique_ptr<RelayKeeper> keeper_;
};

TEST_F(RelayKeeperTest, StartsWhenNeededAndNotBefore) {
    add_teller("a");
    EXPECT_FALSE(keeper_->stats()->health.running);
    EXPECT_EQ(starts_, 0);
    ASSERT_TRUE(keeper_->need());
    ASSERT_TRUE(keeper_->need());
    EXPECT_EQ(starts_, 1);
    const auto stats = keeper_->stats();
    ASSERT_TRUE(stats);
    EXPECT_TRUE(stats->health.running);
    EXPECT_EQ(stats->health.pid, keeper_->relay()->pid());
    EXPECT_EQ(stats->local_ports.at(0).accepted, 5U);
    EXPECT_EQ(stats->extra, "a");
}

TEST_F(RelayKeeperTest, AFreshRelayGetsEverythingInOrder) {
    keeper_->attach(*loop_);
    add_teller("a");
    add_teller("b");
    ASSERT_TRUE(keeper_->keep_running());
    EXPECT_EQ(heard(), "ab");
    kill_relay();
    ASSERT_TRUE(loop_until_started(2));
    EXPECT_EQ(heard(), "ab");
    EXPECT_EQ(keeper_->stats()->health.restarts, 1U);
}

TEST_F(RelayKeeperTest, AUserWhoLeftIsNotAsked) {
    const int user = 0;
    keeper_->add_user(&user, [](RelayLink& relay) { return relay.tell("a"); });
    keeper_->remove_user(&user);
    add_teller("b");
    ASSERT_TRUE(keeper_->need());
    EXPECT_EQ(heard(), "b");
}

TEST_F(RelayKeeperTest, OneUsersTroubleIsNotTheOthers) {
    add_teller("bad");
    add_teller("b");
    ASSERT_TRUE(keeper_->need());
    EXPECT_EQ(heard(), "badb");
}

TEST_F(RelayKeeperTest, WorkIsDoneOnceMoreByAnother) {
    ASSERT_TRUE(keeper_->need());
    kill_relay();
    int calls = 0;
    EXPECT_TRUE(keeper_->with_relay([&](RelayLink& relay) {
        ++calls;
        return relay.tell("again");
    }));
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(heard(), "again");
    const auto died = keeper_->with_relay([](RelayLink& relay) { return relay.tell("die"); });
    EXPECT_FALSE(died);
}

TEST_F(RelayKeeperTest, WithoutALoopTooDeathIsNoticed) {
    ASSERT_TRUE(keeper_->keep_running());
    kill_relay();
    const auto stats = keeper_->stats();
    ASSERT_TRUE(stats);
    EXPECT_TRUE(stats->health.running);
    EXPECT_EQ(stats->health.restarts, 1U);
}

// The network is cut off until then; nobody may have to ask for it.
TEST_F(RelayKeeperTest, WhatIsToRunIsTriedAgainLater) {
    make({.restarts_per_minute = 2, .retry_delay = std::chrono::milliseconds(20)});
    keeper_->attach(*loop_);
    ASSERT_TRUE(keeper_->keep_running());
    for (int i = 2; i <= 5; ++i) {
        kill_relay();
        ASSERT_TRUE(loop_until_started(i)) << i;
    }
    EXPECT_EQ(keeper_->stats()->health.restarts, 4U);
    broken_ = true;
    kill_relay();
    ASSERT_TRUE(loop_until_started(8));  // fails, and fails again
    EXPECT_EQ(keeper_->relay(), nullptr);
    broken_ = false;
    ASSERT_TRUE(loop_until_started(starts_ + 1));
    EXPECT_NE(keeper_->relay(), nullptr);
}

TEST_F(RelayKeeperTest, WhatNobodyAsksForIsNot) {
    make({.restarts_per_minute = 0, .retry_delay = std::chrono::milliseconds(1)});
    keeper_->attach(*loop_);
    ASSERT_TRUE(keeper_->need());
    kill_relay();
    ASSERT_TRUE(loop_->run_once(sys::Deadline::after(std::chrono::seconds(10))));
    EXPECT_EQ(keeper_->relay(), nullptr);
    EXPECT_FALSE(*loop_->run_once(sys::Deadline::after(std::chrono::milliseconds(50))));
    EXPECT_EQ(starts_, 1);
    ASSERT_TRUE(keeper_->need());
    EXPECT_EQ(starts_, 2);
}

TEST_F(RelayKeeperTest, SaysWhyThereIsNone) {
    broken_ = true;
    const auto needed = keeper_->keep_running();
    ASSERT_FALSE(needed);
    EXPECT_EQ(needed.error().message, "start the port relay: no process");
}

TEST_F(RelayKeeperTest, TellsNoMoreThanFits) {
    ASSERT_TRUE(keeper_->need());
    EXPECT_EQ(keeper_->relay()->tell(std::string(wire::kMaxTell + 1, 'x')).error().code, EMSGSIZE);
    EXPECT_TRUE(keeper_->relay()->tell(std::string(wire::kMaxTell, 'x')));
}

}  // namespace
}  // namespace rk::drivers
