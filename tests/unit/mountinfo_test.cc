// SPDX-License-Identifier: Apache-2.0
#include "wire/mountinfo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kRoot =
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard,resuid=65534";

TEST(Mountinfo, ReadsEveryField) {
    const auto mount = parse_mountinfo_line(
        "36 35 98:12 /sub /mnt rw,noatime master:1 shared:2 - nfs4 host:/x rw,errors=continue");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->id, 36U);
    EXPECT_EQ(mount->parent, 35U);
    EXPECT_EQ(mount->device_major, 98U);
    EXPECT_EQ(mount->device_minor, 12U);
    EXPECT_EQ(mount->root, "/sub");
    EXPECT_EQ(mount->mount_point, "/mnt");
    EXPECT_EQ(mount->options, "rw,noatime");
    EXPECT_THAT(mount->optional_fields, ElementsAre("master:1", "shared:2"));
    EXPECT_EQ(mount->type, "nfs4");
    EXPECT_EQ(mount->source, "host:/x");
    EXPECT_EQ(mount->super_options, "rw,errors=continue");
    EXPECT_TRUE(mount->shared());
}

TEST(Mountinfo, WorksWithoutOptionalFields) {
    const auto mount = parse_mountinfo_line("22 27 0:21 / /proc rw,relatime - proc proc rw");
    ASSERT_TRUE(mount.has_value());
    EXPECT_THAT(mount->optional_fields, IsEmpty());
    EXPECT_FALSE(mount->shared());
}

TEST(Mountinfo, DecodesOctalEscapes) {
    const auto mount =
        parse_mountinfo_line(R"(1 2 0:3 /a\040b /c\011\012\134\043d rw - fuse\0404 s\040rc rw)");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->root, "/a b");
    EXPECT_EQ(mount->mount_point, "/c\t\n\\#d");
    EXPECT_EQ(mount->type, "fuse 4");
    EXPECT_EQ(mount->source, "s rc");
}

TEST(Mountinfo, LeavesWhatIsNoEscapeAlone) {
    const auto mount = parse_mountinfo_line(R"(1 2 0:3 /\04 /\999\777\ rw - t s \)");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->root, R"(/\04)");
    EXPECT_EQ(mount->mount_point, R"(/\999\777\)");
    EXPECT_EQ(mount->super_options, "\\");
}

TEST(Mountinfo, TakesAnEmptySource) {
    const auto mount = parse_mountinfo_line("1 2 0:3 / /x rw - tmpfs  rw,size=4k");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->source, "");
    EXPECT_EQ(mount->super_options, "rw,size=4k");
}

TEST(Mountinfo, TakesNamespaceFiles) {
    const auto mount =
        parse_mountinfo_line("1 2 0:4 net:[4026531840] /run/netns rw - nsfs nsfs rw");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->root, "net:[4026531840]");
}

TEST(Mountinfo, RefusesMalformedLines) {
    for (const char* line :
         {"", "1", "1 2 0:3 / /x rw", "1 2 0:3 / /x rw -", "1 2 0:3 / /x rw - t", "- - - - - - -",
          "1 2 0:3 / /x rw - t s", "1 2 03 / /x rw - t s o", "-1 2 0:3 / /x rw - t s o",
          "1 2 0:3:4 / /x rw - t s o", "4294967296 2 0:3 / /x rw - t s o", "1 2 0:3  /x rw - t s o",
          "1 2 0:3 /  rw - t s o", "1 2 0:3 / /x rw -  s o"}) {
        EXPECT_FALSE(parse_mountinfo_line(line).has_value()) << line;
    }
    EXPECT_EQ(parse_mountinfo_line("1 2\tx").error().message,
              R"(malformed mountinfo line "1 2\tx")");
}

TEST(Mountinfo, SkipsAndReportsMalformedLinesOfAFile) {
    const auto table = parse_mountinfo(std::string(kRoot) + "\nrubbish\n\n" +
                                       "28 27 0:25 / /mnt ro - tmpfs none ro\n");
    ASSERT_EQ(table.mounts.size(), 2U);
    EXPECT_EQ(table.mounts[0].mount_point, "/");
    EXPECT_EQ(table.mounts[1].mount_point, "/mnt");
    EXPECT_THAT(table.malformed, ElementsAre("rubbish"));
    EXPECT_THAT(parse_mountinfo("").mounts, IsEmpty());
}

}  // namespace
}  // namespace rk::wire
