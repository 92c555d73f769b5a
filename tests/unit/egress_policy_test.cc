// SPDX-License-Identifier: Apache-2.0
#include "model/egress_policy.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace rk::model {
namespace {

using enum EgressProtocol;

// "deny 10.0.0.0/8"
std::vector<EgressRule> rules(std::initializer_list<std::string_view> texts) {
    std::vector<EgressRule> all;
    for (const std::string_view text : texts) {
        const bool deny = text.starts_with("deny ");
        const auto rule = EgressRule::parse(deny ? EgressAction::kDeny : EgressAction::kAllow,
                                            text.substr(text.find(' ') + 1));
        EXPECT_TRUE(rule) << text;
        all.push_back(*rule);
    }
    return all;
}

EgressPolicy policy(std::initializer_list<std::string_view> texts) {
    return EgressPolicy(rules(texts));
}

Endpoint at(std::string_view address, std::uint16_t port = 80) {
    return {*IpAddress::parse(address), port};
}

// "deny 2", "allow", "allow 0"
std::string decided(const EgressPolicy& policy, EgressProtocol protocol, const Endpoint& to,
                    const std::optional<Endpoint>& real = std::nullopt) {
    const EgressDecision decision = policy.decide(protocol, to, real.value_or(to));
    const std::string action(egress_action_text(decision.action));
    return decision.rule ? fmt::format("{} {}", action, *decision.rule) : action;
}

TEST(EgressPolicy, WhatNoRuleMatchesIsAllowed) {
    EXPECT_EQ(decided(EgressPolicy(), kTcp, at("192.0.2.1")), "allow");
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8"}), kTcp, at("192.0.2.1")), "allow");
    EXPECT_TRUE(EgressPolicy().empty());
}

TEST(EgressPolicy, TheLongestPrefixDecides) {
    const EgressPolicy nets =
        policy({"deny 0.0.0.0/0", "allow 10.0.0.0/8", "deny 10.1.0.0/16", "allow 10.1.2.3",
                "deny 2001:db8::/32", "allow 2001:db8:1::/48"});
    EXPECT_EQ(decided(nets, kTcp, at("192.0.2.1")), "deny 0");
    EXPECT_EQ(decided(nets, kUdp, at("10.2.0.1")), "allow 1");
    EXPECT_EQ(decided(nets, kIcmp, at("10.1.0.1")), "deny 2");
    EXPECT_EQ(decided(nets, kTcp, at("10.1.2.3")), "allow 3");
    EXPECT_EQ(decided(nets, kTcp, at("10.1.2.4")), "deny 2");
    EXPECT_EQ(decided(nets, kTcp, at("2001:db8::1")), "deny 4");
    EXPECT_EQ(decided(nets, kTcp, at("2001:db8:1::1")), "allow 5");
    EXPECT_EQ(decided(nets, kTcp, at("2001:db9::1")), "allow");
}

TEST(EgressPolicy, EachFamilyHasRulesOfItsOwn) {
    EXPECT_EQ(decided(policy({"deny ::/0"}), kTcp, at("192.0.2.1")), "allow");
    EXPECT_EQ(decided(policy({"deny ::/0"}), kTcp, at("2001:db8::1")), "deny 0");
    EXPECT_EQ(decided(policy({"deny 0.0.0.0/0"}), kTcp, at("2001:db8::1")), "allow");
    EXPECT_EQ(decided(policy({"deny ::/0"}), kTcp, at("::")), "deny 0");
    EXPECT_EQ(decided(policy({"deny 128.0.0.0/1"}), kTcp, at("127.255.255.255")), "allow");
    EXPECT_EQ(decided(policy({"deny 8000::/1"}), kTcp, at("ff02::1")), "deny 0");
}

TEST(EgressPolicy, ThenTheNarrowerRangeOfPorts) {
    const EgressPolicy ports =
        policy({"deny 10.0.0.0/8", "allow 10.0.0.0/8:1-1023", "deny 10.0.0.0/8:80-90",
                "allow 10.0.0.0/8:80", "deny 10.0.0.0/8:1-65535"});
    EXPECT_EQ(decided(ports, kTcp, at("10.0.0.1", 80)), "allow 3");
    EXPECT_EQ(decided(ports, kTcp, at("10.0.0.1", 81)), "deny 2");
    EXPECT_EQ(decided(ports, kTcp, at("10.0.0.1", 90)), "deny 2");
    EXPECT_EQ(decided(ports, kTcp, at("10.0.0.1", 91)), "allow 1");
    EXPECT_EQ(decided(ports, kUdp, at("10.0.0.1", 1024)), "deny 4");
    EXPECT_EQ(decided(ports, kUdp, at("10.0.0.1", 65535)), "deny 4");
    // A longer prefix comes before a narrower range.
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8:80/tcp", "allow 10.0.0.1"}), kTcp, at("10.0.0.1")),
              "allow 1");
}

TEST(EgressPolicy, ThenTheProtocolThatIsNamed) {
    const EgressPolicy named =
        policy({"deny 10.0.0.0/8", "allow 10.0.0.0/8/udp", "allow 10.0.0.0/8/icmp"});
    EXPECT_EQ(decided(named, kTcp, at("10.0.0.1")), "deny 0");
    EXPECT_EQ(decided(named, kUdp, at("10.0.0.1")), "allow 1");
    EXPECT_EQ(decided(named, kIcmp, at("10.0.0.1")), "allow 2");
}

TEST(EgressPolicy, InATieDenialWins) {
    EXPECT_EQ(decided(policy({"allow 10.0.0.0/8", "deny 10.0.0.0/8"}), kTcp, at("10.0.0.1")),
              "deny 1");
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8", "allow 10.0.0.0/8"}), kTcp, at("10.0.0.1")),
              "deny 0");
    EXPECT_EQ(
        decided(policy({"allow 10.0.0.0/8:1-10", "deny 10.0.0.0/8:5-14"}), kTcp, at("10.0.0.1", 7)),
        "deny 1");
}

TEST(EgressPolicy, RulesWithPortsAreNotAboutIcmp) {
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8:80"}), kIcmp, at("10.0.0.1", 80)), "allow");
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8:1-65535"}), kIcmp, at("10.0.0.1", 0)), "allow");
    EXPECT_EQ(decided(policy({"deny 10.0.0.0/8"}), kIcmp, at("10.0.0.1", 0)), "deny 0");
}

TEST(EgressPolicy, AGatewaysAddressIsMatchedAsAskedAndAsItReallyIs) {
    const Endpoint asked = at("10.0.2.3", 53);
    const Endpoint real = at("127.0.0.53", 53);
    EXPECT_EQ(decided(policy({"deny 10.0.2.3"}), kUdp, asked, real), "deny 0");
    EXPECT_EQ(decided(policy({"deny 127.0.0.0/8"}), kUdp, asked, real), "deny 0");
    EXPECT_EQ(decided(policy({"deny 0.0.0.0/0", "allow 10.0.2.3"}), kUdp, asked, real), "allow 1");
    EXPECT_EQ(decided(policy({"deny 0.0.0.0/0", "allow 127.0.0.53"}), kUdp, asked, real),
              "allow 1");
    EXPECT_EQ(decided(policy({"allow 10.0.2.3", "deny 127.0.0.53"}), kUdp, asked, real), "deny 1");
    EXPECT_EQ(decided(policy({"deny ::1"}), kTcp, at("10.0.2.2"), at("::1")), "deny 0");
}

TEST(EgressPolicy, TheOrderOfTheRulesMeansNothing) {
    std::vector<EgressRule> all =
        rules({"allow 10.0.0.0/8:80", "deny 10.0.0.0/8", "allow 10.1.0.0/16/tcp", "deny ::/0"});
    const auto action = [&](std::string_view address, std::uint16_t port) {
        return EgressPolicy(all).decide(kTcp, at(address, port)).action;
    };
    const auto before = {action("10.0.0.1", 80), action("10.0.0.1", 81), action("10.1.0.1", 81),
                         action("::1", 1)};
    std::reverse(all.begin(), all.end());
    const auto after = {action("10.0.0.1", 80), action("10.0.0.1", 81), action("10.1.0.1", 81),
                        action("::1", 1)};
    EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
}

}  // namespace
}  // namespace rk::model
