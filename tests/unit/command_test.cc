// SPDX-License-Identifier: Apache-2.0
#include "launch/command.h"

#include "launch/activation.h"
#include "sys/process.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include <unistd.h>

namespace rk::launch {
namespace {

CommandPlan plan_of(std::vector<std::string> argv) {
    CommandPlan plan;
    plan.argv = std::move(argv);
    plan.environment = sys::Environment({"PATH=/usr/bin:/bin"});
    sigemptyset(&plan.signal_mask);
    return plan;
}

sys::ExitStatus run(const CommandPlan& plan) {
    const auto pid = start_command(plan);
    EXPECT_TRUE(pid) << pid.error().message;
    return pid ? sys::wait_for_exit(*pid) : sys::ExitStatus{};
}

TEST(Command, IsFoundInThePathOfItsEnvironment) {
    EXPECT_EQ(run(plan_of({"sh", "-c", "exit 7"})).text(), "exit status 7");
    CommandPlan plan = plan_of({"sh"});
    plan.environment = sys::Environment({"PATH=/nonexistent"});
    const auto missing = start_command(plan);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message, "exec: \"sh\": executable file not found in $PATH");
}

TEST(Command, ExecFailuresAreToldInGosWords) {
    const auto missing = start_command(plan_of({"/nonexistent/x"}));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message, "fork/exec /nonexistent/x: no such file or directory");
    const auto forbidden = start_command(plan_of({"/etc/passwd"}));
    ASSERT_FALSE(forbidden);
    EXPECT_EQ(forbidden.error().code, EACCES);
}

TEST(Command, ListenPidIsItsOwn) {
    CommandPlan plan = plan_of({"sh", "-c", "test \"$LISTEN_PID\" = $$ && test $OTHER = 1"});
    plan.environment.set("LISTEN_PID", "1");
    plan.environment.set("OTHER", "1");
    plan.activated = true;
    EXPECT_TRUE(run(plan).success());
    plan.activated = false;
    EXPECT_FALSE(run(plan).success());
}

TEST(Command, OwnSessionIsOptional) {
    const std::string test = "test $(ps -o sid= -p $$) = $$";
    CommandPlan plan = plan_of({"sh", "-c", test});
    plan.own_session = true;
    EXPECT_TRUE(run(plan).success());
    plan.own_session = false;
    EXPECT_FALSE(run(plan).success());
}

TEST(Command, SignalMaskIsTheCallers) {
    CommandPlan plan = plan_of({"sh", "-c", "kill -TERM $$; exit 3"});
    EXPECT_EQ(run(plan).text(), "signal: terminated");
    sigaddset(&plan.signal_mask, SIGTERM);
    EXPECT_EQ(run(plan).text(), "exit status 3");
}

TEST(ExitStatusText, IsGos) {
    EXPECT_EQ((sys::ExitStatus{false, 42, false}).text(), "exit status 42");
    EXPECT_EQ((sys::ExitStatus{true, SIGABRT, true}).text(), "signal: aborted (core dumped)");
    EXPECT_EQ((sys::ExitStatus{true, SIGKILL, false}).exit_code(), 255);
    EXPECT_EQ((sys::ExitStatus{false, 3, false}).exit_code(), 3);
}

TEST(Activation, FollowsSdListenFds) {
    const auto activated = [](std::vector<std::string> entries) {
        return is_socket_activated(sys::Environment(std::move(entries)), 100);
    };
    EXPECT_TRUE(activated({"LISTEN_PID=100", "LISTEN_FDS=2"}));
    EXPECT_FALSE(activated({"LISTEN_FDS=2"}));
    EXPECT_FALSE(activated({"LISTEN_PID=101", "LISTEN_FDS=2"}));
    EXPECT_FALSE(activated({"LISTEN_PID=100", "LISTEN_FDS=0"}));
    EXPECT_FALSE(activated({"LISTEN_PID=100", "LISTEN_FDS=x"}));
    EXPECT_FALSE(activated({"LISTEN_PID=", "LISTEN_FDS=99999999999999999999"}));
}

TEST(RunForked, BringsTheErrorBack) {
    EXPECT_TRUE(sys::run_forked(0, []() -> Result<void> { return {}; }));
    const auto failed = sys::run_forked(0, []() -> Result<void> {
        return fail(Error{"inside: broken", ENXIO});
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "inside: broken");
    EXPECT_EQ(failed.error().code, ENXIO);
    const auto died = sys::run_forked(0, []() -> Result<void> {
        sys::kill_hard(::getpid());
        return {};
    });
    ASSERT_FALSE(died);
    EXPECT_EQ(died.error().message, "forked process ended early: signal: killed");
}

}  // namespace
}  // namespace rk::launch
