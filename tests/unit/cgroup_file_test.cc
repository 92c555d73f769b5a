// SPDX-License-Identifier: Apache-2.0
#include "wire/cgroup_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

TEST(CgroupFile, FindsTheUnifiedGroup) {
    EXPECT_THAT(cgroup2_group("0::/user.slice/a.scope\n"),
                Optional(std::string("/user.slice/a.scope")));
    EXPECT_THAT(cgroup2_group("9:name=systemd:/x\n4:memory:/y\n0::/\n"),
                Optional(std::string("/")));
    EXPECT_THAT(cgroup2_group("0::/a:b"), Optional(std::string("/a:b")));
}

TEST(CgroupFile, IsEmptyWithoutOne) {
    for (const char* text : {"", "\n", "4:memory:/y\n", "0:", "0::", "0::relative\n", "10::/x\n"}) {
        EXPECT_EQ(cgroup2_group(text), std::nullopt) << text;
    }
}

MountInfo mount_of(std::string root, std::string mount_point) {
    MountInfo mount;
    mount.root = std::move(root);
    mount.mount_point = std::move(mount_point);
    return mount;
}

TEST(CgroupFile, PutsTheGroupBelowTheMount) {
    const auto whole = mount_of("/", "/sys/fs/cgroup");
    EXPECT_THAT(cgroup_directory(whole, "/a/b"), Optional(std::string("/sys/fs/cgroup/a/b")));
    EXPECT_THAT(cgroup_directory(whole, "/"), Optional(std::string("/sys/fs/cgroup")));
    EXPECT_THAT(cgroup_directory(mount_of("/", "/"), "/a"), Optional(std::string("/a")));
    EXPECT_THAT(cgroup_directory(mount_of("/", "/"), "/"), Optional(std::string("/")));
}

TEST(CgroupFile, TakesAwayTheMountedSubtree) {
    const auto part = mount_of("/docker/1", "/cg");
    EXPECT_THAT(cgroup_directory(part, "/docker/1"), Optional(std::string("/cg")));
    EXPECT_THAT(cgroup_directory(part, "/docker/1/x"), Optional(std::string("/cg/x")));
    EXPECT_EQ(cgroup_directory(part, "/docker/12"), std::nullopt);
    EXPECT_EQ(cgroup_directory(part, "/docker"), std::nullopt);
    EXPECT_EQ(cgroup_directory(part, "/"), std::nullopt);
}

TEST(CgroupFile, RefusesGroupsOutsideTheNamespace) {
    EXPECT_EQ(cgroup_directory(mount_of("/", "/cg"), "/../x"), std::nullopt);
    EXPECT_EQ(cgroup_directory(mount_of("/..", "/cg"), "/x"), std::nullopt);
    EXPECT_THAT(cgroup_directory(mount_of("/", "/cg"), "/..x"), Optional(std::string("/cg/..x")));
}

TEST(CgroupFile, ListsControllers) {
    EXPECT_THAT(cgroup_controllers("cpu memory pids\n"), ElementsAre("cpu", "memory", "pids"));
    EXPECT_THAT(cgroup_controllers("\n"), IsEmpty());
}

}  // namespace
}  // namespace rk::wire
