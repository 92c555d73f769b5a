// SPDX-License-Identifier: Apache-2.0
#include "wire/lxc_usernet.h"

#include <gtest/gtest.h>

namespace rk::wire {
namespace {

TEST(LxcUsernet, FindsTheUsersLine) {
    constexpr std::string_view kText =
        "# user type bridge count\n"
        "bob veth lxcbr0 10\n"
        "  alice\tveth  lxcbr0   2\n"
        "@staff veth br1 5\n"
        "alice veth br2 0\n"
        "alice tap br3 1\n"
        "alice veth br4\n"
        "alice veth br5 many\n";
    EXPECT_EQ(find_usernet_grant(kText, "alice", "lxcbr0"), UsernetGrant::kToUser);
    EXPECT_EQ(find_usernet_grant(kText, "carol", "lxcbr0"), UsernetGrant::kNone);
    EXPECT_EQ(find_usernet_grant(kText, "alice", "br1"), UsernetGrant::kToGroup);
    for (const char* bridge : {"br2", "br3", "br4", "br5", "lxcbr", ""}) {
        EXPECT_EQ(find_usernet_grant(kText, "alice", bridge), UsernetGrant::kNone) << bridge;
    }
    EXPECT_EQ(find_usernet_grant("", "alice", "lxcbr0"), UsernetGrant::kNone);
    EXPECT_EQ(find_usernet_grant("alice veth lxcbr0 1", "alice", "lxcbr0"), UsernetGrant::kToUser);
}

}  // namespace
}  // namespace rk::wire
