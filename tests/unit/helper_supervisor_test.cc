// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/helper_supervisor.h"

#include "base/log.h"
#include "sys/file.h"
#include "sys/pipe.h"
#include "sys/run_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace rk::drivers {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

struct HelperSupervisorTest : ::testing::Test {
    sys::Fd log_file{::memfd_create("log", MFD_CLOEXEC)};
    Logger log{{.id = "parent", .debug = true, .fd = log_file.number(), .terminal = false}};
    loop::EventLoop loop = *loop::EventLoop::create();
    std::string logged;

    static HelperPlan shell(const std::string& script) {
        HelperPlan plan;
        plan.name = "helper";
        plan.path = "/bin/sh";
        plan.arguments = {"sh", "-c", script};
        plan.environment = sys::Environment::of_process();
        return plan;
    }
    std::string start_error(const std::string& script, std::chrono::milliseconds patience = 5s) {
        HelperSupervisor supervisor(patience, log);
        EXPECT_TRUE(supervisor.start(shell(script)));
        const Result<void> ready = supervisor.wait_ready(nullptr);
        return ready ? "ready" : ready.error().message;
    }
    // Runs the loop until the log has so many lines with that text.
    bool run_until_logged(std::string_view text, int times) {
        const sys::Deadline end = sys::Deadline::after(5s);
        while (!end.passed()) {
            std::array<char, 65536> text_so_far{};
            const ssize_t got =
                ::pread(log_file.number(), text_so_far.data(), text_so_far.size(), 0);
            logged.assign(text_so_far.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
            int seen = 0;
            for (auto at = logged.find(text); at != std::string::npos;
                 at = logged.find(text, at + 1)) {
                ++seen;
            }
            if (seen >= times) {
                return true;
            }
            EXPECT_TRUE(loop.run_once(sys::Deadline::after(20ms)));
        }
        return false;
    }
};

TEST_F(HelperSupervisorTest, WaitsForTheWord) {
    EXPECT_EQ(start_error("echo 1 >&3; exec sleep 100"), "ready");
    EXPECT_EQ(start_error("echo 1 >&3; exit 1"), "ready");
}

TEST_F(HelperSupervisorTest, TellsHowAHelperEndedBeforeItsWord) {
    EXPECT_EQ(start_error("exit 3"),
              "waiting for ready fd of /bin/sh: helper ended before it was ready: exit status 3");
    EXPECT_THAT(start_error("echo oh; echo no >&2; kill -9 $$"),
                HasSubstr("signal: killed, having printed \"oh\\nno\""));
    EXPECT_THAT(start_error("exec 3>&-; exit 4"), HasSubstr("exit status 4"));
    EXPECT_THAT(start_error("head -c 1000000 /dev/zero; exit 5"), HasSubstr("exit status 5"));
}

TEST_F(HelperSupervisorTest, DoesNotWaitForEver) {
    for (const char* script :
         {"exec sleep 100", "exec yes", "exec 3>&- >/dev/null 2>&1; sleep 9"}) {
        EXPECT_THAT(start_error(script, 50ms), HasSubstr("did not get ready in time")) << script;
    }
}

TEST_F(HelperSupervisorTest, AnInterruptEndsTheWait) {
    const sys::Pipe signals = *sys::make_pipe();
    EXPECT_EQ(::write(signals.write_end.number(), "x", 1), 1);
    const sys::Interrupt interrupt{signals.read_end, [] { return true; }};
    HelperSupervisor supervisor(5s, log);
    ASSERT_TRUE(supervisor.start(shell("exec sleep 100")));
    const Result<void> ready = supervisor.wait_ready(&interrupt);
    ASSERT_FALSE(ready);
    EXPECT_EQ(ready.error().code, EINTR);
}

TEST_F(HelperSupervisorTest, TheHelperHasFourDescriptors) {
    const sys::Fd ours = *sys::open_file("/dev/null", O_RDONLY);
    const int inherited = ::dup(ours.number());  // without close-on-exec
    EXPECT_THAT(start_error("set -- /proc/self/fd/*; echo $# $6 >&2; exit 1"),
                HasSubstr("having printed \"5\""));  // and one to read the directory
    ::close(inherited);
}

TEST_F(HelperSupervisorTest, StartsADeadHelperAgain) {
    HelperSupervisor supervisor(5s, log);
    ASSERT_TRUE(supervisor.start(shell("echo hello; echo 1 >&3; exec sleep 100")));
    ASSERT_TRUE(supervisor.wait_ready(nullptr));
    ASSERT_TRUE(supervisor.attach(loop));
    const model::HelperHealth before = supervisor.health();
    EXPECT_TRUE(before.running);
    ::kill(before.pid, SIGKILL);
    EXPECT_TRUE(run_until_logged("helper ended (signal: killed", 1)) << logged;
    EXPECT_FALSE(supervisor.health().running);
    EXPECT_TRUE(run_until_logged("helper runs again", 1)) << logged;
    EXPECT_TRUE(run_until_logged("network/helper: hello", 2)) << logged;
    const model::HelperHealth after = supervisor.health();
    EXPECT_TRUE(after.running);
    EXPECT_NE(after.pid, before.pid);
    EXPECT_EQ(after.restarts, 1U);
}

TEST_F(HelperSupervisorTest, AFunctionOfOursIsAHelperToo) {
    HelperSupervisor supervisor(5s, log);
    HelperPlan plan;
    plan.name = "helper";
    plan.run = [](sys::Fd ready) {
        EXPECT_EQ(::write(STDERR_FILENO, "hello\n", 6), 6);
        EXPECT_EQ(::write(ready.number(), "10.0.0.1", 8), 8);
        for (;;) {
            ::pause();
        }
        return 0;
    };
    ASSERT_TRUE(supervisor.start(std::move(plan)));
    ASSERT_TRUE(supervisor.wait_ready(nullptr));
    EXPECT_EQ(supervisor.ready_word(), "10.0.0.1");
    ASSERT_TRUE(supervisor.attach(loop));
    ::kill(supervisor.health().pid, SIGKILL);
    EXPECT_TRUE(run_until_logged("helper runs again", 1)) << logged;
    EXPECT_TRUE(run_until_logged("network/helper: hello", 2)) << logged;
    EXPECT_EQ(supervisor.ready_word(), "10.0.0.1");
}

TEST_F(HelperSupervisorTest, AHelperWithoutWordIsReadyAtOnce) {
    HelperSupervisor supervisor(50ms, log);
    HelperPlan plan = shell("exec sleep 100");
    plan.tells_ready = false;
    ASSERT_TRUE(supervisor.start(std::move(plan)));
    ASSERT_TRUE(supervisor.wait_ready(nullptr));
    ASSERT_TRUE(supervisor.attach(loop));
    std::vector<model::HelperHealth> told;
    supervisor.when_health_changes(
        [&](const model::HelperHealth& health) { told.push_back(health); });
    ::kill(supervisor.health().pid, SIGKILL);
    EXPECT_TRUE(run_until_logged("helper runs again", 1)) << logged;
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0], (model::HelperHealth{false, 0, 0}));
    EXPECT_EQ(told[1], supervisor.health());
    EXPECT_EQ(told[1].restarts, 1U);
}

TEST_F(HelperSupervisorTest, WhatEndedAtOnceIsTold) {
    HelperSupervisor supervisor(5s, log);
    HelperPlan plan = shell("exit 3");
    plan.tells_ready = false;
    ASSERT_TRUE(supervisor.start(std::move(plan)));
    Result<void> alive;
    for (const sys::Deadline end = sys::Deadline::after(5s); alive && !end.passed();) {
        alive = supervisor.check_alive();
    }
    ASSERT_FALSE(alive);
    EXPECT_EQ(alive.error().message, "helper ended: exit status 3");
}

TEST_F(HelperSupervisorTest, KeepsTryingWithGrowingPauses) {
    HelperSupervisor supervisor(100ms, log);
    ASSERT_TRUE(supervisor.start(shell("echo 1 >&3; read -r never </dev/null; exit 1")));
    ASSERT_TRUE(supervisor.wait_ready(nullptr));
    ASSERT_TRUE(supervisor.attach(loop));
    EXPECT_TRUE(run_until_logged("again in 0.1 s", 1)) << logged;
    EXPECT_TRUE(run_until_logged("again in 0.2 s", 1)) << logged;
    EXPECT_TRUE(run_until_logged("again in 0.4 s", 1)) << logged;
}

}  // namespace
}  // namespace rk::drivers
