// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/egress_control.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

namespace rk::drivers {
namespace {

model::EgressRule deny(std::string_view text) {
    return *model::EgressRule::parse(model::EgressAction::kDeny, text);
}

/// A relay that keeps what it is given, or refuses.
struct FakeRelay {
    std::vector<model::EgressRule> rules;
    std::vector<model::EgressHits> hits;
    bool refuses = false;

    EgressRelay callbacks() {
        return {[this](const std::vector<model::EgressRule>& pushed) -> Result<void> {
                    if (refuses) {
                        return fail(errno_error(ETIMEDOUT, "relay"));
                    }
                    rules = pushed;
                    return {};
                },
                [this]() -> Result<std::vector<model::EgressHits>> {
                    if (refuses) {
                        return fail("no answer");
                    }
                    return hits;
                }};
    }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const model::EgressRule& rule : rules) {
            all += fmt::format("{}={} ", rule.id, rule.text());
        }
        return all;
    }
};

TEST(EgressRules, ThoseOfTheCommandLineAreNumberedAndSentWhenTheRelayRuns) {
    FakeRelay relay;
    EgressRules control({deny("10.0.0.0/8"), deny("::/0")}, relay.callbacks());
    EXPECT_TRUE(relay.rules.empty());
    ASSERT_TRUE(control.resend());
    EXPECT_EQ(relay.text(), "1=10.0.0.0/8 2=::/0 ");
    relay.hits = {{2, 7}, {99, 1}};
    const auto list = control.list();
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2U);
    EXPECT_EQ(list->at(0).hits, 0U);
    EXPECT_EQ(list->at(1).hits, 7U);
    EXPECT_EQ(egress_source_text(list->at(0).source), "flag");
}

TEST(EgressRules, ChangesReachTheRelayAsAWhole) {
    FakeRelay relay;
    EgressRules control({deny("10.0.0.0/8")}, relay.callbacks());
    const auto added = control.add(deny("192.0.2.1"));
    ASSERT_TRUE(added);
    EXPECT_EQ(added->rule.id, 2U);
    EXPECT_EQ(egress_source_text(added->source), "api");
    EXPECT_EQ(relay.text(), "1=10.0.0.0/8 2=192.0.2.1 ");
    ASSERT_TRUE(control.remove(1));
    EXPECT_EQ(relay.text(), "2=192.0.2.1 ");
    ASSERT_TRUE(control.remove(2));
    EXPECT_TRUE(relay.rules.empty());
    EXPECT_EQ(control.add(deny("192.0.2.1"))->rule.id, 3U);
}

TEST(EgressRules, TheSameRuleTwiceAndUnknownIdsAreErrors) {
    FakeRelay relay;
    EgressRules control({deny("10.0.0.0/8")}, relay.callbacks());
    EXPECT_EQ(control.add(deny("10.0.0.0/8")).error().message,
              "egress rule deny 10.0.0.0/8: conflict with ID 1");
    EXPECT_TRUE(control.add(*model::EgressRule::parse(model::EgressAction::kAllow, "10.0.0.0/8")));
    EXPECT_EQ(control.remove(7).error().message, "unknown id: 7");
}

TEST(EgressRules, WhatTheRelayDoesNotTakeIsNotInTheList) {
    FakeRelay relay;
    EgressRules control({deny("10.0.0.0/8")}, relay.callbacks());
    relay.refuses = true;
    EXPECT_EQ(control.add(deny("192.0.2.1")).error().code, ETIMEDOUT);
    EXPECT_EQ(control.remove(1).error().code, ETIMEDOUT);
    EXPECT_FALSE(control.list());
    relay.refuses = false;
    ASSERT_TRUE(control.list());
    EXPECT_EQ(control.list()->size(), 1U);
}

TEST(EgressRules, AreBounded) {
    FakeRelay relay;
    EgressRules control({}, relay.callbacks());
    for (std::size_t i = 0; i < model::kMaxEgressRules; ++i) {
        ASSERT_TRUE(control.add(deny(fmt::format("10.0.{}.{}", i / 256, i % 256))));
    }
    EXPECT_EQ(control.add(deny("192.0.2.1")).error().message,
              "there are 512 egress rules already, the most there can be");
}

}  // namespace
}  // namespace rk::drivers
