// SPDX-License-Identifier: Apache-2.0
//
// newuidmap and newgidmap are played by shell scripts here; the real ones need a user with sub-IDs
// and are met in the integration tests. The map of one ID is written for real.
#include "ns/id_map_writer.h"

#include "sys/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rk::ns {
namespace {

using std::chrono_literals::operator""ms;
using model::SubidSource;
using testing::EndsWith;
using testing::HasSubstr;

class IdMapWriterTest : public testing::Test {
 protected:
    IdMapWriterTest() {
        std::string name = (std::filesystem::temp_directory_path() / "rkXXXXXX").string();
        directory_ = ::mkdtemp(name.data());
        environment_.set("PATH", directory_);
        environment_.set("LOG", directory_ + "/log");
    }
    ~IdMapWriterTest() override { std::filesystem::remove_all(directory_); }

    void put(const std::string& name, std::string_view script, mode_t mode = 0755) {
        const auto directory = sys::open_file(directory_, O_RDONLY | O_DIRECTORY);
        ASSERT_TRUE(
            sys::write_file_at(*directory, name, fmt::format("#!/bin/sh\n{}\n", script), mode));
    }
    IdMapResult write(sys::Deadline deadline = sys::Deadline::after(kIdMapTime)) {
        return write_id_maps(SubidSource::kAuto, 4711, maps_, environment_, deadline);
    }

    std::string directory_;
    sys::Environment environment_;
    IdMaps maps_ = make_id_maps(
        UserIdentity{.uid = 1001, .gid = 100, .name = "rk", .home = "", .passwd_gid = {}},
        SubidRanges{.uids = {{100000, 65536}}, .gids = {{200000, 65536}, {300000, 5}}});
};

TEST_F(IdMapWriterTest, GivesBothProgramsTheirMaps) {
    put("newuidmap", "echo \"$LC_ALL uid $*\" >> $LOG.uid");
    put("newgidmap", "echo \"gid $*\" >> $LOG.gid");
    const auto written = write();
    ASSERT_TRUE(written) << written.error().error.message;
    EXPECT_EQ(sys::read_file(directory_ + "/log.uid"), "C uid 4711 0 1001 1 1 100000 65536\n");
    EXPECT_EQ(sys::read_file(directory_ + "/log.gid"),
              "gid 4711 0 100 1 1 200000 65536 65537 300000 5\n");
}

TEST_F(IdMapWriterTest, BothRunAtTheSameTime) {
    // Each opens its end of a FIFO, which waits for the other.
    ASSERT_EQ(::mkfifo((directory_ + "/log").c_str(), 0600), 0);
    put("newuidmap", "echo x > $LOG");
    put("newgidmap", "read x < $LOG");
    EXPECT_TRUE(write(sys::Deadline::after(10000ms)));
}

TEST_F(IdMapWriterTest, TellsWhatTheProgramSaid) {
    put("newuidmap",
        "echo 'newuidmap: write to uid_map failed: Operation not permitted' >&2; exit 1");
    put("newgidmap", "exit 2");
    const auto written = write();
    ASSERT_FALSE(written);
    const IdMapFailure& failure = written.error();
    EXPECT_EQ(failure.error.message,
              "failed to setup UID/GID map: newuidmap 4711 [0 1001 1 1 100000 65536] failed: "
              "newuidmap: write to uid_map failed: Operation not permitted: exit status 1");
    EXPECT_EQ(failure.error.code, EPERM);
    EXPECT_EQ(failure.step, IdMapStep::kRunProgram);
    EXPECT_EQ(failure.program, "newuidmap");
    EXPECT_EQ(failure.program_path, directory_ + "/newuidmap");
    EXPECT_EQ(failure.status->number, 1);
    EXPECT_FALSE(failure.timed_out);
}

TEST_F(IdMapWriterTest, TellsWhichProgramIsMissing) {
    auto written = write();
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().step, IdMapStep::kFindProgram);
    EXPECT_THAT(written.error().error.message,
                EndsWith("failed: exec: \"newuidmap\": executable file not found in $PATH"));
    EXPECT_EQ(written.error().error.code, ENOENT);
    put("newuidmap", "exit 0");
    written = write();
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().program, "newgidmap");
    EXPECT_THAT(written.error().error.message,
                HasSubstr("newgidmap 4711 [0 100 1 1 200000 65536 65537 300000 5] failed: exec: "));
}

TEST_F(IdMapWriterTest, TellsAProgramThatCannotBeStarted) {
    put("newuidmap", "exit 0");
    std::filesystem::remove(directory_ + "/newuidmap");
    const auto directory = sys::open_file(directory_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(sys::write_file_at(*directory, "newuidmap", "no program", 0755));
    put("newgidmap", "exit 0");
    const auto written = write();
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().step, IdMapStep::kStartProgram);
    EXPECT_EQ(written.error().error.code, ENOEXEC);
    EXPECT_THAT(written.error().error.message, EndsWith("/newuidmap: exec format error"));
}

TEST_F(IdMapWriterTest, DoesNotHangWithAProgram) {
    put("newuidmap", "exit 0");
    put("newgidmap", "echo waiting; PATH=/usr/bin:/bin exec sleep 600");
    const auto written = write(sys::Deadline::after(300ms));
    ASSERT_FALSE(written);
    EXPECT_TRUE(written.error().timed_out);
    EXPECT_EQ(written.error().program, "newgidmap");
    EXPECT_EQ(written.error().error.code, ETIMEDOUT);
    EXPECT_THAT(written.error().error.message, EndsWith("failed: waiting: timed out"));
}

TEST_F(IdMapWriterTest, TellsADeathBySignal) {
    put("newuidmap", "kill -KILL $$");
    put("newgidmap", "exit 0");
    EXPECT_THAT(write().error().error.message, EndsWith("failed: signal: killed"));
}

// A child in a user namespace of its own, until the end of the scope.
class NamespaceChild {
 public:
    NamespaceChild() : pid_(sys::clone_process(CLONE_NEWUSER)) {
        if (pid_ && *pid_ == 0) {
            ::pause();
            ::_exit(0);
        }
    }
    NamespaceChild(const NamespaceChild&) = delete;
    NamespaceChild& operator=(const NamespaceChild&) = delete;
    ~NamespaceChild() {
        if (pid_) {
            sys::kill_hard(*pid_);
            sys::wait_for_exit(*pid_);
        }
    }
    [[nodiscard]] const Result<pid_t>& pid() const { return pid_; }

 private:
    Result<pid_t> pid_;
};

TEST(IdMapWriterKernel, NoneWritesTheOwnIdsWithoutAnyProgram) {
    const NamespaceChild child;
    if (!child.pid()) {
        if (std::getenv("RK_TESTS_MUST_RUN") != nullptr) {
            FAIL() << "no user namespaces here: " << child.pid().error().message;
        }
        GTEST_SKIP() << "no user namespaces here: " << child.pid().error().message;
    }
    const UserIdentity user{
        .uid = ::geteuid(), .gid = ::getegid(), .name = "x", .home = "", .passwd_gid = {}};
    const auto written = write_id_maps(SubidSource::kNone, *child.pid(),
                                       make_id_maps(user, SubidRanges{}), sys::Environment());
    ASSERT_TRUE(written) << written.error().error.message;
    const auto in_proc = [&](const char* name) {
        return sys::read_file(fmt::format("/proc/{}/{}", *child.pid(), name)).value_or("");
    };
    EXPECT_EQ(in_proc("uid_map"), fmt::format("{:>10} {:>10} {:>10}\n", 0, user.uid, 1));
    EXPECT_EQ(in_proc("gid_map"), fmt::format("{:>10} {:>10} {:>10}\n", 0, user.gid, 1));
    EXPECT_EQ(in_proc("setgroups"), "deny\n");
}

TEST(IdMapWriterKernel, NoneTellsWhatTheKernelRefused) {
    // Our own namespace has its map already.
    const auto written = write_id_maps(
        SubidSource::kNone, ::getpid(),
        make_id_maps(UserIdentity{.uid = 1, .gid = 1, .name = "x", .home = "", .passwd_gid = {}},
                     SubidRanges{}),
        sys::Environment());
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().step, IdMapStep::kWriteFile);
    EXPECT_THAT(written.error().error.message, HasSubstr("failed to setup UID/GID map: "));
    EXPECT_NE(written.error().error.code, 0);
}

}  // namespace
}  // namespace rk::ns
