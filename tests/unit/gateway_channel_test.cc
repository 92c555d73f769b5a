// SPDX-License-Identifier: Apache-2.0
#include "wire/gateway_channel.h"

#include "wire/relay_channel.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::wire {
namespace {

model::EgressRule rule(std::uint32_t id, std::string_view text) {
    model::EgressRule made = *model::EgressRule::parse(model::EgressAction::kAllow, text);
    made.id = id;
    return made;
}

TEST(GatewayChannel, RulesTravelWhole) {
    SetEgress message;
    message.rules = {rule(1, "10.0.0.0/8"), rule(7, "[2001:db8::/32]:443-444/tcp")};
    message.rules.front().action = model::EgressAction::kDeny;
    const auto arrived = decode_set_egress(encode(message));
    ASSERT_TRUE(arrived);
    EXPECT_EQ(arrived->rules, message.rules);
    const auto none = decode_set_egress(encode(SetEgress{}));
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->rules.empty());
}

TEST(GatewayChannel, AsManyRulesAsThereCanBeFitOneTell) {
    SetEgress message;
    message.rules.assign(model::kMaxEgressRules, rule(1, "2001:db8::1"));
    const std::string text = encode(message);
    EXPECT_LE(text.size(), kMaxTell);
    EXPECT_EQ(decode_set_egress(text)->rules.size(), model::kMaxEgressRules);
}

TEST(GatewayChannel, RulesThatMakeNoSenseAreRefused) {
    const std::string good = encode(SetEgress{{rule(1, "10.0.0.0/8:80/tcp")}});
    for (std::size_t size = 2; size < good.size(); ++size) {
        EXPECT_FALSE(decode_set_egress(good.substr(0, size))) << size;
    }
    EXPECT_FALSE(decode_set_egress(""));
    EXPECT_FALSE(decode_set_egress("\2"));
    std::string host_bits = good;
    host_bits[1 + 6 + 15] = 1;
    EXPECT_FALSE(decode_set_egress(host_bits));
    std::string action = good;
    action[5] = 2;
    EXPECT_FALSE(decode_set_egress(action));
}

TEST(GatewayChannel, AReportTravelsWhole) {
    GatewayReport report;
    std::uint64_t next = 1;
    model::each_gateway_counter(
        report.stats, [&](const char* /*name*/, std::uint64_t& value) { value = next++ << 40U; });
    report.egress = {{1, 2}, {0xffffffff, ~std::uint64_t{0}}};
    const auto arrived = decode_gateway_report(encode(report));
    ASSERT_TRUE(arrived);
    EXPECT_EQ(arrived->stats, report.stats);
    EXPECT_EQ(arrived->stats.bytes_in, std::uint64_t{18} << 40U);
    EXPECT_EQ(arrived->egress, report.egress);
}

TEST(GatewayChannel, ReportsThatAreCutOrTooLongAreRefused) {
    GatewayReport report;
    report.egress.assign(model::kMaxEgressRules, {1, 1});
    const std::string full = encode(report);
    EXPECT_LE(full.size(), kMaxExtraStats);
    EXPECT_TRUE(decode_gateway_report(full));
    EXPECT_FALSE(decode_gateway_report(full + std::string(12, '\0')));
    EXPECT_FALSE(decode_gateway_report(full.substr(0, full.size() - 1)));
    EXPECT_FALSE(decode_gateway_report(full.substr(0, 100)));
    EXPECT_FALSE(decode_gateway_report(""));
}

}  // namespace
}  // namespace rk::wire
