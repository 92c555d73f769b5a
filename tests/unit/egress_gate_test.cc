// SPDX-License-Identifier: Apache-2.0
#include "gateway/egress_gate.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace rk::gateway {
namespace {

using model::EgressAction;
using model::EgressProtocol;

model::EgressRule rule(std::uint32_t id, EgressAction action, std::string_view text) {
    model::EgressRule made = *model::EgressRule::parse(action, text);
    made.id = id;
    return made;
}

model::Endpoint at(std::string_view address) {
    return {*model::IpAddress::parse(address), 80};
}

EgressAction decide(EgressView& view, std::string_view address) {
    return view.decide(EgressProtocol::kTcp, at(address), at(address));
}

std::vector<model::EgressHits> counted(std::initializer_list<model::EgressHits> hits) {
    return hits;
}

TEST(EgressGate, AllowsEverythingUntilItHasRules) {
    EgressCounts counts;
    EgressGate gate(counts);
    EgressView view(gate);
    EXPECT_EQ(decide(view, "192.0.2.1"), EgressAction::kAllow);
    EXPECT_TRUE(gate.hits().empty());
}

TEST(EgressGate, ViewsFollowAndRulesThatStayKeepTheirCounts) {
    EgressCounts counts;
    EgressGate gate(counts);
    EgressView view(gate);
    EgressView other(gate);
    const auto net = rule(1, EgressAction::kDeny, "192.0.2.0/24");
    gate.set(std::vector{net});
    EXPECT_EQ(decide(view, "192.0.2.1"), EgressAction::kDeny);
    EXPECT_EQ(decide(other, "192.0.2.2"), EgressAction::kDeny);
    EXPECT_EQ(decide(view, "198.51.100.1"), EgressAction::kAllow);
    EXPECT_EQ(gate.hits(), counted({{1, 2}}));
    gate.set(std::vector{rule(2, EgressAction::kAllow, "192.0.2.1"), net});
    EXPECT_EQ(decide(view, "192.0.2.1"), EgressAction::kAllow);
    EXPECT_EQ(decide(view, "192.0.2.3"), EgressAction::kDeny);
    EXPECT_EQ(gate.hits(), counted({{2, 1}, {1, 3}}));
    gate.set({});
    EXPECT_EQ(decide(other, "192.0.2.3"), EgressAction::kAllow);
    gate.set(std::vector{rule(1, EgressAction::kDeny, "192.0.2.0/24")});
    EXPECT_EQ(gate.hits(), counted({{1, 0}}));
}

TEST(EgressGate, TheNextRelayGoesOnCounting) {
    const auto ledger = SharedLedger::make();
    ASSERT_TRUE(ledger);
    const auto one = rule(1, EgressAction::kDeny, "192.0.2.0/24");
    for (std::uint64_t relay = 1; relay <= 2; ++relay) {
        (**ledger).begin();
        EgressGate gate((**ledger).egress);
        EgressView view(gate);
        gate.set(std::vector{one, rule(2, EgressAction::kDeny, "198.51.100.0/24")});
        EXPECT_EQ(decide(view, "192.0.2.1"), EgressAction::kDeny);
        EXPECT_EQ(gate.hits(), counted({{1, relay}, {2, 0}}));
    }
}

TEST(EgressGate, DecidesInManyThreadsWhileRulesChange) {
    EgressCounts counts;
    EgressGate gate(counts);
    const auto deny = rule(1, EgressAction::kDeny, "192.0.2.1");
    gate.set(std::vector{deny});
    constexpr unsigned kDecisions = 20000;
    const auto work = [&gate] {
        EgressView view(gate);
        for (unsigned i = 0; i < kDecisions; ++i) {
            EXPECT_EQ(decide(view, "192.0.2.1"), EgressAction::kDeny);
        }
    };
    std::thread first(work);
    std::thread second(work);
    for (std::uint32_t id = 2; id < 200; ++id) {
        gate.set(std::vector{rule(id, EgressAction::kAllow, "198.51.100.0/24"), deny});
    }
    first.join();
    second.join();
    EXPECT_EQ(gate.hits().back(), (model::EgressHits{1, 2 * kDecisions}));
}

}  // namespace
}  // namespace rk::gateway
