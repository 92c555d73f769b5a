// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/clock.h"
#include "sys/environment.h"
#include "sys/fd.h"
#include "sys/process.h"

#include <csignal>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::sys {

/// Bytes kept of what a helper prints; the rest is read and thrown away. Error texts and sub-ID
/// lists are far shorter.
inline constexpr std::size_t kMaxProgramOutput = std::size_t{64} << 10U;

/// How a helper program ended and what it printed.
struct ProgramOutcome {
    bool timed_out = false;    // killed at the deadline
    bool interrupted = false;  // killed because the caller's Interrupt said so
    ExitStatus status;
    std::string output;  // stdout and stderr together, about in the order written
    std::string standard_output;
    std::string standard_error;

    [[nodiscard]] bool success() const { return !timed_out && !interrupted && status.success(); }
    /// "exit status 1", "signal: killed", "timed out".
    [[nodiscard]] std::string status_text() const;
};

/// What else can end the wait for a program: when `fd` becomes readable, `stop` is asked (and reads
/// what is there); true kills the program.
struct Interrupt {
    FdRef fd;
    std::function<bool()> stop;
};

/// A helper program at work: stdin is /dev/null, stdout and stderr are collected. Several can run
/// at once. Whoever goes out of scope unwaited is killed and reaped.
class RunningProgram {
 public:
    /// Starts `path` with all signals at their defaults and `signal_mask` blocked (ours blocks
    /// everything, which a helper must not inherit). Error: "fork/exec PATH: why".
    [[nodiscard]] static Result<RunningProgram> start(const std::string& path,
                                                      const std::vector<std::string>& arguments,
                                                      const Environment& environment,
                                                      const sigset_t& signal_mask);
    RunningProgram(const RunningProgram&) = delete;
    RunningProgram& operator=(const RunningProgram&) = delete;
    RunningProgram(RunningProgram&& other) noexcept;
    RunningProgram& operator=(RunningProgram&& other) noexcept;
    ~RunningProgram();

    /// Waits for the end of the program (not of what it may have left behind), at most until the
    /// deadline or the interrupt; then it is killed. Once only.
    [[nodiscard]] Result<ProgramOutcome> wait(Deadline deadline,
                                              const Interrupt* interrupt = nullptr);

 private:
    struct Stream {
        Fd fd;
        std::string text;
    };
    RunningProgram(pid_t pid, Fd out, Fd err);

    enum class Event { kActivity, kExited, kDeadline, kInterrupted };
    [[nodiscard]] Result<Event> wait_for_event(Deadline deadline, const Interrupt* interrupt);
    void drain(Stream& stream);
    void kill_and_reap();

    pid_t pid_ = 0;  // 0 once reaped
    Fd exited_;      // pidfd; invalid where the kernel has none
    Stream out_;
    Stream err_;
    std::string both_;
    ExitStatus status_;
};

/// An empty signal mask, what helper programs are started with.
[[nodiscard]] sigset_t no_signals();

}  // namespace rk::sys
