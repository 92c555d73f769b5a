// SPDX-License-Identifier: Apache-2.0
#include "wire/id_map_file.h"
#include "wire/os_release.h"
#include "wire/proc_status.h"
#include "wire/vfs_cap.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace rk::wire {
namespace {

using std::string_view_literals::operator""sv;

TEST(OsRelease, KnowsTheFamilies) {
    EXPECT_EQ(parse_os_release("NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n"),
              Distribution::kDebian);
    EXPECT_EQ(parse_os_release("ID_LIKE=debian\nID=ubuntu\n"), Distribution::kUbuntu);
    EXPECT_EQ(parse_os_release("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
              Distribution::kRhel);
    EXPECT_EQ(parse_os_release("ID='opensuse-leap'"), Distribution::kOpensuse);
    EXPECT_EQ(parse_os_release("ID=fedora"), Distribution::kFedora);
    EXPECT_EQ(parse_os_release("ID=arch"), Distribution::kArch);
    EXPECT_EQ(parse_os_release("ID=alpine"), Distribution::kAlpine);
}

TEST(OsRelease, FallsBackToTheFirstKnownRelative) {
    EXPECT_EQ(parse_os_release("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Distribution::kUbuntu);
    EXPECT_EQ(parse_os_release("ID=x\nID_LIKE=\"y suse\"\n"), Distribution::kOpensuse);
}

TEST(OsRelease, IsOtherForGarbage) {
    for (const std::string_view text :
         {""sv, "ID"sv, "ID="sv, "ID=\""sv, "ID=\"\""sv, "VERSION_ID=debian"sv, "#ID=debian"sv,
          "IDX=debian"sv, "ID=nix"sv, "\0\xff"sv}) {
        EXPECT_EQ(parse_os_release(text), Distribution::kOther) << text;
    }
}

TEST(ProcStatus, ReadsWhatMatters) {
    const ProcStatus status = parse_proc_status(
        "Name:\tx\nUid:\t1\t1\t1\t1\nCapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\n"
        "CapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n");
    EXPECT_EQ(status.no_new_privs, true);
    EXPECT_EQ(status.seccomp_mode, 2U);
    EXPECT_EQ(status.effective_capabilities, 0xa80425fbU);
    EXPECT_EQ(status.bounding_capabilities, 0x1ffffffffffU);
}

TEST(ProcStatus, LeavesEmptyWhatIsMissingOrWrong) {
    const ProcStatus status = parse_proc_status(
        "NoNewPrivs:\t2\nSeccomp:\t-1\nCapEff:\txyz\nCapBnd:\t10000000000000000\nrest");
    EXPECT_FALSE(status.no_new_privs);
    EXPECT_FALSE(status.seccomp_mode);
    EXPECT_FALSE(status.effective_capabilities);
    EXPECT_FALSE(status.bounding_capabilities);
}

TEST(ProcStatus, TestsCapabilities) {
    EXPECT_TRUE(has_capability(0x80, 7));
    EXPECT_FALSE(has_capability(0x80, 6));
    EXPECT_TRUE(has_capability(UINT64_C(1) << 63, 63));
    EXPECT_FALSE(has_capability(~UINT64_C(0), 64));
}

// What setcap(8) cap_setuid=ep writes.
constexpr std::string_view kSetuidEp =
    "\x01\x00\x00\x02\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"sv;

TEST(VfsCap, ReadsRevision2) {
    const auto capabilities = parse_vfs_cap(kSetuidEp);
    ASSERT_TRUE(capabilities);
    EXPECT_EQ(capabilities->permitted, 0x80U);
    EXPECT_EQ(capabilities->inheritable, 0U);
    EXPECT_TRUE(capabilities->effective);
    EXPECT_FALSE(capabilities->root_id);
}

TEST(VfsCap, ReadsRevision3WithItsRoot) {
    std::string bytes(kSetuidEp);
    bytes[0] = 0;
    bytes[3] = 3;
    bytes[12] = 1;  // permitted, bit 32
    bytes += "\xa0\x86\x01\x00"sv;
    const auto capabilities = parse_vfs_cap(bytes);
    ASSERT_TRUE(capabilities);
    EXPECT_EQ(capabilities->permitted, 0x100000080U);
    EXPECT_FALSE(capabilities->effective);
    EXPECT_EQ(capabilities->root_id, 100000U);
}

TEST(VfsCap, ReadsRevision1) {
    const auto capabilities = parse_vfs_cap("\x01\x00\x00\x01\x40\x00\x00\x00\x02\x00\x00\x00"sv);
    ASSERT_TRUE(capabilities);
    EXPECT_EQ(capabilities->permitted, 0x40U);
    EXPECT_EQ(capabilities->inheritable, 2U);
}

TEST(VfsCap, RefusesOtherSizesAndRevisions) {
    EXPECT_FALSE(parse_vfs_cap(""));
    EXPECT_FALSE(parse_vfs_cap(kSetuidEp.substr(0, 19)));
    EXPECT_FALSE(parse_vfs_cap(std::string(kSetuidEp) + '\0'));
    std::string future(kSetuidEp);
    future[3] = 4;
    EXPECT_FALSE(parse_vfs_cap(future));
    future[3] = 0;
    EXPECT_FALSE(parse_vfs_cap(future));
}

TEST(IdMapFile, ReadsTheKernelsLines) {
    const auto map =
        parse_id_map_file("         0       1000          1\n         1     100000      65536\n");
    ASSERT_TRUE(map);
    EXPECT_EQ(*map, (model::IdMap{{0, 1000, 1}, {1, 100000, 65536}}));
    EXPECT_EQ(parse_id_map_file("0 0 4294967295\n").value(), (model::IdMap{{0, 0, UINT32_MAX}}));
    EXPECT_TRUE(parse_id_map_file("").value().empty());
}

TEST(IdMapFile, RefusesGarbage) {
    for (const std::string_view text :
         {"0 0"sv, "0 0 1 1"sv, "0 0 0"sv, "-1 0 1"sv, "0 0 4294967296"sv, "a b c"sv}) {
        EXPECT_FALSE(parse_id_map_file(text)) << text;
    }
}

TEST(IdMapFile, CoversRangesOverSeveralEntries) {
    const model::IdMap map = {{1, 100000, 65536}, {0, 1000, 1}, {70000, 5, 10}};
    EXPECT_TRUE(covers(map, {.start = 0, .length = 65537}));
    EXPECT_FALSE(covers(map, {.start = 0, .length = 65538}));
    EXPECT_FALSE(covers(map, {.start = 65537, .length = 1}));
    EXPECT_TRUE(covers(map, {.start = 70000, .length = 10}));
    EXPECT_FALSE(covers({}, {.start = 0, .length = 1}));
    EXPECT_TRUE(covers({{0, 0, UINT32_MAX}}, {.start = 1, .length = UINT32_MAX - 1}));
}

}  // namespace
}  // namespace rk::wire
