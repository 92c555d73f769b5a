// SPDX-License-Identifier: Apache-2.0
#include "launch/state_dir.h"

#include "sys/file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rk::launch {
namespace {

namespace fs = std::filesystem;

class StateDirTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "rk-state-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { fs::remove_all(root_); }
    std::string path(const std::string& name) const { return (root_ / name).string(); }
    static void touch(const fs::path& file) { std::ofstream(file) << "x"; }

    fs::path root_;
};

TEST_F(StateDirTest, GivenDirectoryIsMadeAndRemoved) {
    {
        const auto taken = StateDir::take(path("a/b"));
        ASSERT_TRUE(taken) << taken.error().message;
        EXPECT_TRUE(fs::exists(root_ / "a/b/lock"));
    }
    EXPECT_FALSE(fs::exists(root_ / "a/b"));
    EXPECT_TRUE(fs::exists(root_ / "a"));
}

TEST_F(StateDirTest, TemporaryDirectoryIsPrivateAndRemoved) {
    std::string name;
    {
        const auto taken = StateDir::create_temporary(root_.string());
        ASSERT_TRUE(taken);
        name = taken->path();
        struct stat status {};
        ASSERT_EQ(::stat(name.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777U, 0700U);
        EXPECT_TRUE(name.starts_with(path("rootlesskit")));
    }
    EXPECT_FALSE(fs::exists(name));
}

TEST_F(StateDirTest, ASecondRunIsRefusedAndTouchesNothing) {
    const auto first = StateDir::take(path("d"));
    ASSERT_TRUE(first);
    ASSERT_TRUE(first->write_child_pid(42));
    const auto second = StateDir::take(path("d"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message,
              "failed to lock " + path("d") +
                  "/lock, another RootlessKit is running with the same state directory?");
    EXPECT_TRUE(fs::exists(root_ / "d/child_pid"));
}

TEST_F(StateDirTest, LeftoversOfACrashAreRemovedAndUserFilesSurvive) {
    fs::create_directories(root_ / "d/gvisortapvsock");
    for (const char* name :
         {"lock", "child_pid", "api.sock", ".bp.sock", "gvisortapvsock/tap.sock", "user.txt"}) {
        touch(root_ / "d" / name);
    }
    {
        const auto taken = StateDir::take(path("d"));
        ASSERT_TRUE(taken) << taken.error().message;
        EXPECT_FALSE(fs::exists(root_ / "d/child_pid"));
        EXPECT_FALSE(fs::exists(root_ / "d/gvisortapvsock"));
    }
    EXPECT_TRUE(fs::exists(root_ / "d/user.txt"));
    EXPECT_TRUE(fs::exists(root_ / "d/lock")) << "the mark that lets the next run in";
    EXPECT_TRUE(StateDir::take(path("d")));
}

TEST_F(StateDirTest, AForeignDirectoryIsRefusedUntouched) {
    fs::create_directories(root_ / "home");
    touch(root_ / "home/child_pid");
    const auto taken = StateDir::take(path("home"));
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message.find("not empty"), std::string::npos);
    EXPECT_TRUE(fs::exists(root_ / "home/child_pid"));
    EXPECT_FALSE(fs::exists(root_ / "home/lock"));
}

TEST_F(StateDirTest, ALockThatIsASymlinkIsNotFollowed) {
    fs::create_directories(root_ / "d");
    fs::create_symlink(root_ / "elsewhere", root_ / "d/lock");
    EXPECT_FALSE(StateDir::take(path("d")));
    EXPECT_FALSE(fs::exists(root_ / "elsewhere"));
}

TEST_F(StateDirTest, ChildPidHasNoNewlineAndIsReadOnly) {
    const auto taken = StateDir::take(path("d"));
    ASSERT_TRUE(taken);
    ASSERT_TRUE(taken->write_child_pid(1234));
    EXPECT_EQ(sys::read_file(path("d/child_pid")), "1234");
    struct stat status {};
    ASSERT_EQ(::stat(path("d/child_pid").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0444U);
    ASSERT_TRUE(taken->write_child_pid(5));
    EXPECT_EQ(sys::read_file(path("d/child_pid")), "5");
}

TEST_F(StateDirTest, TheDirectoryItselfIsHeldShared) {
    const auto taken = StateDir::take(path("d"));
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->lock_warning(), "");
    const int fd = ::open(path("d").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_LT(::flock(fd, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(::flock(fd, LOCK_SH | LOCK_NB), 0);
    ::close(fd);
}

TEST_F(StateDirTest, ADirectoryExclusivelyLockedBySomebodyIsOnlyAWarning) {
    fs::create_directories(root_ / "d");
    const int fd = ::open(path("d").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_EQ(::flock(fd, LOCK_EX | LOCK_NB), 0);
    const auto taken = StateDir::take(path("d"));
    ASSERT_TRUE(taken);
    EXPECT_NE(taken->lock_warning(), "");
    ::close(fd);
}

TEST_F(StateDirTest, AFileInTheWayIsAnError) {
    touch(root_ / "file");
    EXPECT_FALSE(StateDir::take(path("file")));
    EXPECT_FALSE(StateDir::take(path("file/below")));
}

}  // namespace
}  // namespace rk::launch
