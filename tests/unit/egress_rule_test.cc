// SPDX-License-Identifier: Apache-2.0
#include "model/egress_rule.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::model {
namespace {

std::string canonical(std::string_view text) {
    const auto rule = EgressRule::parse(EgressAction::kDeny, text);
    return rule ? rule->text() : "error: " + rule.error().message;
}

TEST(EgressRule, HasACanonicalText) {
    for (const std::string_view text :
         {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.1", "192.0.2.1:443", "192.0.2.1:443/tcp",
          "10.0.0.0/8:1-1023/udp", "10.0.0.0/8/icmp", "::/0", "::1", "2001:db8::/32",
          "[2001:db8::/32]:443/tcp", "[2001:db8::1]:80-90", "[2001:db8::/32]/icmp"}) {
        EXPECT_EQ(canonical(text), text);
    }
    EXPECT_EQ(canonical("192.0.2.1/32"), "192.0.2.1");
    EXPECT_EQ(canonical("192.0.2.1:80-80"), "192.0.2.1:80");
    EXPECT_EQ(canonical("2001:DB8:0::/32"), "2001:db8::/32");
    EXPECT_EQ(canonical("[2001:db8::1/128]"), "2001:db8::1");
    EXPECT_EQ(canonical("2001:db8::/32/tcp"), "[2001:db8::/32]/tcp");
    EXPECT_EQ(canonical("::1/icmp"), "[::1]/icmp");
}

TEST(EgressRule, IsReadIntoItsParts) {
    const auto rule = EgressRule::parse(EgressAction::kAllow, "[2001:db8::/32]:1-443/udp");
    ASSERT_TRUE(rule);
    EXPECT_EQ(rule->action, EgressAction::kAllow);
    EXPECT_EQ(rule->network.text(), "2001:db8::");
    EXPECT_EQ(rule->prefix, 32);
    EXPECT_EQ(rule->first_port, 1);
    EXPECT_EQ(rule->last_port, 443);
    EXPECT_EQ(rule->protocol, EgressProtocol::kUdp);
    EXPECT_TRUE(rule->valid());
}

struct Wrong {
    std::string_view text;
    std::string_view why;
};

TEST(EgressRule, ErrorsNameTheRuleAndTheReason) {
    constexpr auto kWrong = std::to_array<Wrong>({
        {"", R"("" is no IP address)"},
        {"example.com", R"("example.com" is no IP address)"},
        {"10.0.0.0/", R"("" is no prefix length from 0 to 32)"},
        {"10.0.0.0/33", R"("33" is no prefix length from 0 to 32)"},
        {"10.0.0.0/-1", R"("-1" is no prefix length from 0 to 32)"},
        {"2001:db8::/129", R"("129" is no prefix length from 0 to 128)"},
        {"10.0.2.100/24", "host bits are set; the network is 10.0.2.0/24"},
        {"2001:db8::1/64", "host bits are set; the network is 2001:db8::/64"},
        {"10.0.0.1:", R"("" is no port from 1 to 65535)"},
        {"10.0.0.1:0", R"("0" is no port from 1 to 65535)"},
        {"10.0.0.1:65536", R"("65536" is no port from 1 to 65535)"},
        {"10.0.0.1:80-", R"("" is no port from 1 to 65535)"},
        {"10.0.0.1:90-80", "the range of ports 90-80 ends before it begins"},
        {"10.0.0.1:80-90-95", R"("90-95" is no port from 1 to 65535)"},
        {"10.0.0.1/sctp", R"(unknown protocol "sctp" (tcp, udp or icmp))"},
        {"10.0.0.1/TCP", R"(unknown protocol "TCP" (tcp, udp or icmp))"},
        {"10.0.0.1:80/icmp", "icmp has no ports"},
        {"10.0.0.1/tcp/udp", R"("tcp" is no prefix length from 0 to 32)"},
        {"[10.0.0.1]:80", "brackets are for IPv6"},
        {"[2001:db8::/32", R"("[" without "]")"},
        {"[2001:db8::]/32:443",
         R"(after "]" comes ":PORT" or "/PROTO"; the prefix length stands before it)"},
        {"[2001:db8::1]:", R"("" is no port from 1 to 65535)"},
        {"2001:db8::/32:443", R"("32:443" is no prefix length from 0 to 128)"},
        {"2001:db8::1:80443",
         R"("2001:db8::1:80443" is no IP address; with a port, IPv6 is written as )"
         R"([2001:db8::/32]:443)"},
        {"::ffff:127.0.0.1", "IPv4 is written as 127.0.0.1"},
        {"::ffff:0:0/96", "IPv4 is written as 0.0.0.0"},
        {"fe80::1%eth0", R"("fe80::1%eth0" is no IP address; with a port, IPv6 is written as )"
                         R"([2001:db8::/32]:443)"},
        {" 10.0.0.1", R"(" 10.0.0.1" is no IP address)"},
    });
    for (const Wrong& wrong : kWrong) {
        const auto rule = EgressRule::parse(EgressAction::kDeny, wrong.text);
        ASSERT_FALSE(rule) << wrong.text;
        EXPECT_EQ(rule.error().message,
                  fmt::format("egress rule \"{}\": {}", wrong.text, wrong.why));
    }
    EXPECT_EQ(canonical(std::string(65000, '1')),
              "error: egress rule of 65000 bytes: at most 128 make sense");
    EXPECT_NE(canonical(std::string("10.0.0.1\0:80", 12)).find("no IP address"), std::string::npos);
}

TEST(EgressRule, ValidRefusesWhatParseWouldNotMake) {
    const EgressRule good = *EgressRule::parse(EgressAction::kDeny, "10.0.0.0/8:80/tcp");
    EXPECT_TRUE(good.valid());
    const auto broken = [&](auto change) {
        EgressRule rule = good;
        change(rule);
        return !rule.valid();
    };
    EXPECT_TRUE(broken([](EgressRule& r) { r.prefix = 33; }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.prefix = 6; }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.last_port = 79; }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.first_port = 0; }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.protocol = EgressProtocol::kIcmp; }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.protocol = static_cast<EgressProtocol>(4); }));
    EXPECT_TRUE(broken([](EgressRule& r) { r.action = static_cast<EgressAction>(2); }));
}

TEST(EgressRule, SaysTheSameWhateverItsId) {
    EgressRule one = *EgressRule::parse(EgressAction::kDeny, "10.0.0.0/8");
    EgressRule two = one;
    two.id = 5;
    EXPECT_TRUE(one.same_as(two));
    two.action = EgressAction::kAllow;
    EXPECT_FALSE(one.same_as(two));
}

}  // namespace
}  // namespace rk::model
