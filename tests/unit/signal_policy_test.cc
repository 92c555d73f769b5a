// SPDX-License-Identifier: Apache-2.0
#include "launch/signal_policy.h"

#include <gtest/gtest.h>

#include <csignal>

namespace rk::launch {
namespace {

using std::chrono_literals::operator""ms;

class SignalPolicyTest : public ::testing::Test {
 protected:
    bool direct(int number, SignalPolicy::Clock::time_point when) {
        return policy_.deliver(number, SignalPath::kDirect, false, true, when);
    }
    bool via_parent(int number, SignalPolicy::Clock::time_point when) {
        return policy_.deliver(number, SignalPath::kViaParent, false, true, when);
    }
    SignalPolicy policy_;
    SignalPolicy::Clock::time_point start_ = SignalPolicy::Clock::now();
};

TEST_F(SignalPolicyTest, TerminalSignalsOfTheSharedGroupAreNotRepeated) {
    for (const int number : {SIGINT, SIGQUIT, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU}) {
        EXPECT_FALSE(policy_.deliver(number, SignalPath::kDirect, true, true, start_));
        EXPECT_FALSE(policy_.deliver(number, SignalPath::kViaParent, true, true, start_));
    }
}

TEST_F(SignalPolicyTest, ACommandInItsOwnSessionGetsCtrlCOnce) {
    EXPECT_TRUE(policy_.deliver(SIGINT, SignalPath::kDirect, true, false, start_));
    EXPECT_FALSE(policy_.deliver(SIGINT, SignalPath::kViaParent, true, false, start_ + 1ms));
}

TEST_F(SignalPolicyTest, AHangUpIsPassedOnEvenFromTheTerminal) {
    EXPECT_TRUE(policy_.deliver(SIGHUP, SignalPath::kViaParent, true, true, start_));
    EXPECT_FALSE(policy_.deliver(SIGHUP, SignalPath::kDirect, true, true, start_ + 1ms));
}

TEST_F(SignalPolicyTest, BothWaysAtOnceAreOneAct) {
    EXPECT_TRUE(direct(SIGTERM, start_));
    EXPECT_FALSE(via_parent(SIGTERM, start_ + 1ms));
    EXPECT_TRUE(direct(SIGTERM, start_ + 2ms)) << "the next act counts again";
}

TEST_F(SignalPolicyTest, TheSameWayTwiceAreTwoActs) {
    EXPECT_TRUE(via_parent(SIGUSR1, start_));
    EXPECT_TRUE(via_parent(SIGUSR1, start_ + 1ms));
}

TEST_F(SignalPolicyTest, LaterArrivalsOnTheOtherWayCount) {
    EXPECT_TRUE(direct(SIGTERM, start_));
    EXPECT_TRUE(via_parent(SIGTERM, start_ + SignalPolicy::kOneAct));
}

TEST_F(SignalPolicyTest, SignalsDoNotShadowEachOther) {
    EXPECT_TRUE(direct(SIGTERM, start_));
    EXPECT_TRUE(via_parent(SIGHUP, start_ + 1ms));
}

TEST_F(SignalPolicyTest, RealTimeSignalsAreQueuedSoAllCount) {
    EXPECT_TRUE(direct(40, start_));
    EXPECT_TRUE(via_parent(40, start_ + 1ms));
    EXPECT_TRUE(direct(64, start_));
}

}  // namespace
}  // namespace rk::launch
