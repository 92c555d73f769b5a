// SPDX-License-Identifier: Apache-2.0
#include "ns/subid_source.h"

#include "sys/fd.h"
#include "sys/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace rk::ns {
namespace {

using model::IdRange;
using model::SubidSource;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kPrefix = "failed to setup UID/GID map: failed to compute uid/gid map: ";

class SubidSourceTest : public testing::Test {
 protected:
    SubidSourceTest() {
        std::string name = (std::filesystem::temp_directory_path() / "rkXXXXXX").string();
        directory_ = ::mkdtemp(name.data());
        files_ = AccountFiles{.passwd = directory_ + "/passwd",
                              .nsswitch = directory_ + "/nsswitch.conf",
                              .subuid = directory_ + "/subuid",
                              .subgid = directory_ + "/subgid"};
        environment_.set("PATH", directory_ + "/bin:/usr/bin:/bin");
        std::filesystem::create_directory(directory_ + "/bin");
        put("subuid", "rk:100000:65536\n");
        put("subgid", "rk:200000:65536\n");
    }
    ~SubidSourceTest() override { std::filesystem::remove_all(directory_); }

    void put(const std::string& name, std::string_view text, mode_t mode = 0644) {
        const auto directory = sys::open_file(directory_, O_RDONLY | O_DIRECTORY);
        ASSERT_TRUE(sys::write_file_at(*directory, name, text, mode));
    }
    void put_getsubids(std::string_view script) {
        put("bin/getsubids", fmt::format("#!/bin/sh\n{}\n", script), 0755);
    }
    Result<SubidRanges> compute(SubidSource source) {
        return compute_subid_ranges(source, user_, environment_, log_, files_);
    }
    std::string error_of(SubidSource source) {
        const auto result = compute(source);
        return result ? "no error" : result.error().message;
    }
    std::string logged() {
        ::lseek(log_fd_.number(), 0, SEEK_SET);
        return sys::read_all(log_fd_, "log").value_or("");
    }

    std::string directory_;
    AccountFiles files_;
    sys::Environment environment_;
    UserIdentity user_{.uid = 1001, .gid = 1001, .name = "rk", .home = "", .passwd_gid = {}};
    sys::Fd log_fd_{::memfd_create("log", MFD_CLOEXEC)};
    Logger log_{{.id = "test", .debug = true, .fd = log_fd_.number()}};
};

TEST_F(SubidSourceTest, NoneGivesNothingAndReadsNothing) {
    files_.subuid = "/nonexistent";
    const auto ranges = compute(SubidSource::kNone);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, IsEmpty());
    EXPECT_THAT(ranges->gids, IsEmpty());
}

TEST_F(SubidSourceTest, StaticReadsBothFiles) {
    const auto ranges = compute(SubidSource::kStatic);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{100000, 65536}));
    EXPECT_THAT(ranges->gids, ElementsAre(IdRange{200000, 65536}));
    EXPECT_EQ(logged(), "");
}

TEST_F(SubidSourceTest, StaticNamesAMissingFileAndMissingRanges) {
    put("subgid", "other:1:2\n");
    EXPECT_EQ(error_of(SubidSource::kStatic),
              std::string(kPrefix) + "No subgid ranges found for user 1001 (\"rk\")");
    files_.subuid = "/nonexistent/subuid";
    EXPECT_EQ(error_of(SubidSource::kStatic),
              std::string(kPrefix) + "open /nonexistent/subuid: no such file or directory");
}

TEST_F(SubidSourceTest, WarnsWhereItChangedSomething) {
    put("subuid", "rk:1000:10\nrk:bad:10\nrk:1005:10\n");
    const auto ranges = compute(SubidSource::kStatic);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{1000, 1}, IdRange{1002, 8}, IdRange{1010, 5}));
    const std::string log = logged();
    EXPECT_THAT(log, HasSubstr(files_.subuid + ":1: range 1000:10 contains your own UID 1001"));
    EXPECT_THAT(log, HasSubstr(files_.subuid + ":2: "));
    EXPECT_THAT(log, HasSubstr(files_.subuid + ":3: range 1005:10 overlaps 1002:8"));
}

TEST_F(SubidSourceTest, AutoStartsNoProgramWhereTheFilesKnowAll) {
    put_getsubids("echo '0: rk 5 5'");
    put("nsswitch.conf", "passwd: files sss\nsubid: files\n");
    const auto ranges = compute(SubidSource::kAuto);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{100000, 65536}));
}

TEST_F(SubidSourceTest, AutoAsksGetsubidsWhereNsswitchNamesAnotherSource) {
    put_getsubids("case $1 in -g) echo '0: rk 7 7';; *) echo '0: rk 5000 5';; esac");
    put("nsswitch.conf", "subid: sss\n");
    const auto ranges = compute(SubidSource::kAuto);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{5000, 5}));
    EXPECT_THAT(ranges->gids, ElementsAre(IdRange{7, 7}));
    EXPECT_EQ(logged(), "");  // the same range by name and by uid is normal
}

TEST_F(SubidSourceTest, AutoFallsBackToTheFilesWithADebugMessage) {
    put("nsswitch.conf", "subid: sss\n");
    for (const char* script :
         {"exit 1", "exit 0", "case $1 in -g) ;; *) echo '0: rk 5 5';; esac", "echo garbage"}) {
        put_getsubids(script);
        const auto ranges = compute(SubidSource::kAuto);
        ASSERT_TRUE(ranges) << script;
        EXPECT_THAT(ranges->uids, ElementsAre(IdRange{100000, 65536})) << script;
    }
    EXPECT_THAT(logged(), HasSubstr("level=debug"));
    EXPECT_THAT(logged(), Not(HasSubstr("level=warning")));
}

TEST_F(SubidSourceTest, DynamicUsesTheProgramTheUserNames) {
    put("bin/mine", "#!/bin/sh\necho '0: rk 9 9'\n", 0755);
    environment_.set("GETSUBIDS", "mine");
    for (const SubidSource source : {SubidSource::kDynamic, SubidSource::kAuto}) {
        const auto ranges = compute(source);
        ASSERT_TRUE(ranges);
        EXPECT_THAT(ranges->gids, ElementsAre(IdRange{9, 9}));
    }
}

TEST_F(SubidSourceTest, DynamicTakesNamesBeforeUids) {
    put_getsubids(
        "[ \"$1\" = -g ] && shift; case $1 in rk) echo '0: rk 50 5';; "
        "*) echo '0: 1001 40 5'; echo '1: 1001 50 5';; esac");
    const auto ranges = compute(SubidSource::kDynamic);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{50, 5}, IdRange{40, 5}));
}

TEST_F(SubidSourceTest, DynamicOneOfAPairMayFail) {
    put_getsubids("[ \"$1\" = -g ] && shift; [ $1 = rk ] && echo '0: rk 50 5' || exit 1");
    const auto ranges = compute(SubidSource::kDynamic);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, ElementsAre(IdRange{50, 5}));
}

TEST_F(SubidSourceTest, DynamicWithoutRangesIsNoError) {
    put_getsubids("exit 0");
    const auto ranges = compute(SubidSource::kDynamic);
    ASSERT_TRUE(ranges);
    EXPECT_THAT(ranges->uids, IsEmpty());
}

TEST_F(SubidSourceTest, DynamicTellsBothFailures) {
    put_getsubids("echo some; echo \"no $1\" >&2; exit 2");
    EXPECT_EQ(error_of(SubidSource::kDynamic),
              std::string(kPrefix) +
                  "subid-source:dynamic: failed to get subuids by the username \"rk\": failed to "
                  "exec [getsubids rk]: exit status 2 (stdout=\"some\\n\", stderr=\"no rk\\n\"); "
                  "also failed to get subuids by the UID 1001: failed to exec [getsubids 1001]: "
                  "exit status 2 (stdout=\"some\\n\", stderr=\"no 1001\\n\")");
}

TEST_F(SubidSourceTest, DynamicWithoutProgram) {
    environment_.set("PATH", directory_);
    EXPECT_EQ(error_of(SubidSource::kDynamic),
              std::string(kPrefix) +
                  "subid-source:dynamic: exec: \"getsubids\": executable file "
                  "not found in $PATH");
}

TEST_F(SubidSourceTest, DynamicDoesNotHangWithItsProgram) {
    put_getsubids("exec sleep 600");
    EXPECT_THAT(error_of(SubidSource::kDynamic), HasSubstr("[getsubids rk]: timed out"));
}

TEST_F(SubidSourceTest, UserComesFromThePasswdFile) {
    put("passwd", fmt::format("me:x:{}:77::/home/me:/bin/sh\n", ::getuid()));
    const auto user = find_user(environment_, log_, files_);
    ASSERT_TRUE(user);
    EXPECT_EQ(user->name, "me");
    EXPECT_EQ(user->home, "/home/me");
    EXPECT_EQ(user->uid, ::getuid());
    EXPECT_EQ(user->gid, ::getegid());
    EXPECT_EQ(user->passwd_gid, 77U);
}

TEST_F(SubidSourceTest, UserComesFromGetentWhereAnotherSourceIsNamed) {
    put("passwd", "nobody:x:65534:65534::/:/bin/sh\n");
    put("nsswitch.conf", "passwd: files ldap\n");
    put("bin/getent", "#!/bin/sh\necho \"ldap$1:x:$2:78::/h:/bin/sh\"\n", 0755);
    const auto user = find_user(environment_, log_, files_);
    ASSERT_TRUE(user);
    EXPECT_EQ(user->name, "ldappasswd");
    EXPECT_EQ(user->passwd_gid, 78U);
}

TEST_F(SubidSourceTest, UserComesFromTheEnvironmentAtLast) {
    put("nsswitch.conf", "passwd: files ldap\n");
    put("bin/getent", "#!/bin/sh\nexit 2\n", 0755);
    EXPECT_THAT(find_user(environment_, log_, files_).error().message, HasSubstr("unknown userid"));
    environment_.set("USER", "env");
    environment_.set("HOME", "/home/env");
    const auto user = find_user(environment_, log_, files_);
    ASSERT_TRUE(user);
    EXPECT_EQ(user->name, "env");
    EXPECT_EQ(user->home, "/home/env");
    EXPECT_EQ(user->passwd_gid, std::nullopt);
}

}  // namespace
}  // namespace rk::ns
