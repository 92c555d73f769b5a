// SPDX-License-Identifier: Apache-2.0
#include "sys/run_program.h"

#include "sys/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include <sys/wait.h>

namespace rk::sys {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;

Result<RunningProgram> shell(const std::string& script) {
    return RunningProgram::start("/bin/sh", {"sh", "-c", script}, Environment({"GREETING=hello"}),
                                 no_signals());
}

ProgramOutcome run(const std::string& script, std::chrono::milliseconds span = 20s) {
    auto program = shell(script);
    EXPECT_TRUE(program) << program.error().message;
    auto outcome = program->wait(Deadline::after(span));
    EXPECT_TRUE(outcome) << outcome.error().message;
    return std::move(*outcome);
}

void expect_no_children() {
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(RunProgram, CollectsOutputAndStatus) {
    const ProgramOutcome outcome = run("echo out; echo err >&2; exit 3");
    EXPECT_FALSE(outcome.success());
    EXPECT_EQ(outcome.status_text(), "exit status 3");
    EXPECT_EQ(outcome.standard_output, "out\n");
    EXPECT_EQ(outcome.standard_error, "err\n");
    EXPECT_THAT(outcome.output, HasSubstr("out\n"));
    EXPECT_THAT(outcome.output, HasSubstr("err\n"));
    expect_no_children();
}

TEST(RunProgram, GivesTheEnvironmentAndNoInput) {
    const ProgramOutcome outcome = run("echo $GREETING; cat; echo end");
    EXPECT_TRUE(outcome.success());
    EXPECT_EQ(outcome.output, "hello\nend\n");
}

TEST(RunProgram, TellsADeathBySignal) {
    EXPECT_EQ(run("kill -KILL $$").status_text(), "signal: killed");
}

TEST(RunProgram, AProgramThatCannotBeExecutedIsAnError) {
    const auto program =
        RunningProgram::start("/nonexistent/program", {"program"}, Environment(), no_signals());
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().message, "fork/exec /nonexistent/program: no such file or directory");
    EXPECT_EQ(program.error().code, ENOENT);
    expect_no_children();
}

TEST(RunProgram, KillsAtTheDeadline) {
    const ProgramOutcome outcome = run("echo before; exec sleep 600", 200ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_FALSE(outcome.success());
    EXPECT_EQ(outcome.status_text(), "timed out");
    EXPECT_EQ(outcome.output, "before\n");
    expect_no_children();
}

TEST(RunProgram, AnEndlessWriterIsBoundedInBytesAndTime) {
    const ProgramOutcome outcome = run("exec yes", 200ms);
    EXPECT_TRUE(outcome.timed_out);
    EXPECT_EQ(outcome.output.size(), kMaxProgramOutput);
}

TEST(RunProgram, MoreThanAPipefulIsReadToTheEnd) {
    const ProgramOutcome outcome = run("head -c 1000000 /dev/zero; exit 0");
    EXPECT_TRUE(outcome.success());
    EXPECT_EQ(outcome.standard_output.size(), kMaxProgramOutput);
}

TEST(RunProgram, ClosedOutputIsNotTheEnd) {
    const ProgramOutcome outcome = run("exec >&- 2>&-; exit 4");
    EXPECT_EQ(outcome.status_text(), "exit status 4");
}

TEST(RunProgram, AGrandchildThatKeepsThePipeDoesNotHoldUs) {
    const auto started = Deadline::Clock::now();
    const ProgramOutcome outcome = run("sleep 2 & echo parent");
    EXPECT_TRUE(outcome.success());
    EXPECT_EQ(outcome.output, "parent\n");
    EXPECT_LT(Deadline::Clock::now() - started, 2s);
}

TEST(RunProgram, TwoRunAtOnce) {
    auto first = shell("read line < /dev/null; echo 1");
    auto second = shell("echo 2");
    ASSERT_TRUE(first && second);
    const Deadline deadline = Deadline::after(20s);
    EXPECT_EQ(second->wait(deadline)->output, "2\n");
    EXPECT_EQ(first->wait(deadline)->output, "1\n");
    expect_no_children();
}

TEST(RunProgram, LeavingTheScopeKillsAndReaps) {
    {
        auto program = shell("exec sleep 600");
        ASSERT_TRUE(program);
        std::optional<RunningProgram> moved = std::move(*program);
    }
    expect_no_children();
}

TEST(RunProgram, TheHelperDoesNotInheritOurSignalMaskOrDispositions) {
    const sigset_t before = block_all_signals();
    const auto old = std::signal(SIGHUP, SIG_IGN);
    const ProgramOutcome outcome = run("grep -E '^Sig(Blk|Ign)' /proc/self/status");
    std::signal(SIGHUP, old);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    // Signals 32 and 33 are the C library's own; ctest starts its tests with both ignored, and no
    // program can change that by sigaction(3).
    const std::string none = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    const std::string of_the_library = "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n";
    EXPECT_TRUE(outcome.output == none || outcome.output == of_the_library) << outcome.output;
}

}  // namespace
}  // namespace rk::sys
