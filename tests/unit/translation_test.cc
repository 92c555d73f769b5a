// SPDX-License-Identifier: Apache-2.0
#include "gateway/translation.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace rk::gateway {
namespace {

model::IpAddress address(const char* text) {
    return *model::IpAddress::parse(text);
}

Plan plan() {
    Plan plan;
    plan.v4 = {address("10.0.2.100"), 24, address("10.0.2.2"), address("10.0.2.3")};
    plan.v6 = FamilyPlan{address("fd00::100"), 64, address("fd00::2"), address("fd00::3")};
    return plan;
}

TEST(Translation, PassesTheWorldOn) {
    Translation translation(plan(), HostLoopback::kForbidden);
    for (const char* text :
         {"192.0.2.1", "169.254.169.254", "10.0.3.2", "2001:db8::1", "fd01::2"}) {
        const Destination to = translation.of({address(text), 80}, 0);
        EXPECT_EQ(to.refusal, 0) << text;
        EXPECT_EQ(to.target.text(), (model::Endpoint{address(text), 80}.text()));
    }
}

TEST(Translation, TheGatewayIsTheHostsLoopback) {
    Translation translation(plan(), HostLoopback::kReachable);
    EXPECT_EQ(translation.of({address("10.0.2.2"), 80}, 0).target.text(), "127.0.0.1:80");
    EXPECT_EQ(translation.of({address("fd00::2"), 80}, 0).target.text(), "[::1]:80");
}

TEST(Translation, ForbiddenLoopbackHasNoOtherName) {
    Translation translation(plan(), HostLoopback::kForbidden);
    for (const char* text :
         {"10.0.2.2", "fd00::2", "127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "0.1.2.3",
          "::", "::ffff:127.0.0.1", "fe80::1", "224.0.0.1", "255.255.255.255", "ff02::1"}) {
        EXPECT_NE(translation.of({address(text), 80}, 0).refusal, 0) << text;
    }
    EXPECT_EQ(translation.of({address("10.0.2.2"), 53}, 0).refusal, EACCES);
}

TEST(Translation, PortFiftyThreeOfTheNameServerIsAResolver) {
    Translation translation(plan(), HostLoopback::kForbidden);
    EXPECT_EQ(translation.of({address("10.0.2.3"), 53}, 0).refusal, ENETUNREACH);
    translation.set_resolvers({address("127.0.0.53"), address("192.0.2.9")});
    for (const char* server : {"10.0.2.3", "fd00::3"}) {
        const Destination to = translation.of({address(server), 53}, 0);
        EXPECT_TRUE(to.dns && to.refusal == 0);
        EXPECT_EQ(to.target.text(), "127.0.0.53:53");
    }
    EXPECT_EQ(translation.of({address("10.0.2.3"), 80}, 0).refusal, ECONNREFUSED);
    translation.resolver_failed({address("127.0.0.53"), 53}, 0);
    EXPECT_EQ(translation.of({address("10.0.2.3"), 53}, 1).target.text(), "192.0.2.9:53");
}

TEST(Translation, NobodyElseIsInTheNetwork) {
    Translation translation(plan(), HostLoopback::kReachable);
    EXPECT_EQ(translation.of({address("10.0.2.77"), 80}, 0).refusal, EHOSTUNREACH);
    EXPECT_EQ(translation.of({address("fd00::77"), 80}, 0).refusal, EHOSTUNREACH);
}

TEST(Translation, OnlyTheNamespaceIsInside) {
    const Translation translation(plan(), HostLoopback::kReachable);
    for (const char* inside : {"10.0.2.100", "10.0.2.77", "fd00::100", "fd00::1:2:3:4"}) {
        EXPECT_TRUE(translation.is_inside(address(inside))) << inside;
    }
    for (const char* forged : {"10.0.2.2", "10.0.2.3", "fd00::2", "fd00::3", "10.0.3.1", "::1",
                               "127.0.0.1", "192.0.2.1", "2001:db8::1", "fe80::1", "0.0.0.0"}) {
        EXPECT_FALSE(translation.is_inside(address(forged))) << forged;
    }
    Plan only_v4 = plan();
    only_v4.v6.reset();
    EXPECT_FALSE(Translation(only_v4, HostLoopback::kReachable).is_inside(address("fd00::100")));
}

// The plan of gvisor-tap-vsock: one address for both.
TEST(Translation, OneRouterMayBeBoth) {
    Plan one = plan();
    one.v4.gateway = one.v4.dns = address("10.0.2.1");
    Translation translation(one, HostLoopback::kReachable);
    translation.set_resolvers({address("192.0.2.9")});
    EXPECT_EQ(translation.of({address("10.0.2.1"), 53}, 0).target.text(), "192.0.2.9:53");
    EXPECT_EQ(translation.of({address("10.0.2.1"), 80}, 0).target.text(), "127.0.0.1:80");
}

}  // namespace
}  // namespace rk::gateway
