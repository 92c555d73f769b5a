// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/pesto_rule.h"

#include "base/text.h"

#include <gtest/gtest.h>

namespace rk::drivers {
namespace {

struct PestoRuleTest : ::testing::Test {
    PestoTarget target{.child_ips = {"10.0.2.100"}, .ipv6 = false};

    std::string rule(std::string_view text) const {
        const auto spec = model::PortSpec::parse(text);
        EXPECT_TRUE(spec) << text;
        const auto made = pesto_rule(*spec, target);
        return made ? fmt::format("{} {} {} {}", made->kind == SocketKind::kTcp ? "t" : "u",
                                  made->text, made->listens_on.text(), made->same_here.in_braces())
                    : "error: " + made.error().message;
    }
};

TEST_F(PestoRuleTest, WithoutIpv6EverythingIsIpv4) {
    EXPECT_EQ(rule("127.0.0.1:8080:80/tcp"),
              "t 127.0.0.1/8080:80 127.0.0.1:8080 {tcp4 127.0.0.1 8080 80 }");
    EXPECT_EQ(rule(":8080:80/udp"), "u 0.0.0.0/8080:80 0.0.0.0:8080 {udp4 0.0.0.0 8080 80 }");
    EXPECT_EQ(rule("0.0.0.0:53:53/udp4"), "u 0.0.0.0/53:53 0.0.0.0:53 {udp4 0.0.0.0 53 53 }");
    EXPECT_EQ(rule(":1:2/tcp6"),
              "error: unsupported protocol \"tcp6\" for \"\": --ipv6 was not given");
    EXPECT_EQ(rule("[::1]:1:2/tcp"),
              "error: unsupported protocol \"tcp\" for \"::1\": --ipv6 was not given");
}

TEST_F(PestoRuleTest, WithIpv6TheFamilyIsThatOfProtocolAndAddress) {
    target.ipv6 = true;
    EXPECT_EQ(rule(":8080:80/tcp"), "t 8080:80 [::]:8080 {tcp :: 8080 80 }");
    EXPECT_EQ(rule(":8080:80/tcp4"), "t 0.0.0.0/8080:80 0.0.0.0:8080 {tcp4 0.0.0.0 8080 80 }");
    EXPECT_EQ(rule(":8080:80/tcp6"), "t ::/8080:80 [::]:8080 {tcp6 :: 8080 80 }");
    EXPECT_EQ(rule("[::1]:8080:80/udp"), "u ::1/8080:80 [::1]:8080 {udp ::1 8080 80 }");
    EXPECT_EQ(rule("[::1]:8080:80/tcp4"),
              "error: listen tcp4: address ::1: no suitable address found");
}

TEST_F(PestoRuleTest, OnlyTheNamespacesOwnAddressCanBeTheTarget) {
    EXPECT_EQ(rule("127.0.0.1:8080:10.0.2.100:80/tcp").substr(0, 2), "t ");
    EXPECT_EQ(rule("127.0.0.1:8080:[::ffff:10.0.2.100]:80/tcp").substr(0, 2), "t ");
    EXPECT_EQ(rule("127.0.0.1:8080:127.0.0.1:80/tcp"),
              "error: unsupported ChildIP: \"127.0.0.1\": pasta forwards to 10.0.2.100 only");
    target = {.child_ips = {"10.0.2.100", "fd00::100"}, .ipv6 = true};
    EXPECT_EQ(rule("[::1]:8080:[fd00::100]:80/tcp").substr(0, 2), "t ");
    EXPECT_EQ(rule("[::1]:8080:[::1]:80/tcp"),
              "error: unsupported ChildIP: \"::1\": pasta forwards to 10.0.2.100 and fd00::100 "
              "only");
}

TEST_F(PestoRuleTest, SctpIsRefused) {
    EXPECT_EQ(rule("127.0.0.1:1:2/sctp"), "error: unsupported port protocol sctp");
}

TEST_F(PestoRuleTest, CommandReplacesAllRules) {
    EXPECT_EQ(join(pesto_command({}, "/s/c"), " "), "pesto --clear HOST --add /s/c");
    const auto tcp = pesto_rule(*model::PortSpec::parse("127.0.0.1:1:2/tcp"), target);
    const auto udp = pesto_rule(*model::PortSpec::parse("127.0.0.1:3:4/udp"), target);
    EXPECT_EQ(join(pesto_command({*tcp, *udp}, "/s/c"), " "),
              "pesto --clear HOST --add --tcp-ports 127.0.0.1/1:2 --udp-ports 127.0.0.1/3:4 /s/c");
}

}  // namespace
}  // namespace rk::drivers
