// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// After the command was started the child is a small init: it passes signals on to the command,
// reaps (the command only, or everything that is reparented to it), keeps job control in step, and
// ends with the command's status. It kills the command and ends when the parent is gone.
//
// Job control without a reaper: the command shares our process group, so the terminal stops and
// continues it directly; the child sees the stop, tells the parent, and the parent stops itself,
// which is what the shell waits for. With a reaper the command has a session of its own, where the
// kernel ignores the terminal's stop (its process group is orphaned, setpgid(2)); then a stop from
// the terminal becomes SIGSTOP to the command's group, and SIGCONT is passed to the group.
//
// The shell's SIGCONT reaches a command in our group twice: from the kernel, and later through the
// parent and us. A Ctrl-Z in between must win, or the shell waits for a stop that was undone; so a
// SIGCONT of the parent's that is older than the command's last stop (counted on both sides) is
// dropped, and so is one that comes while the command has yet to stop. Without a terminal nobody
// waits for the parent to stop first, and all are passed on.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "launch/channel.h"
#include "launch/signal_policy.h"
#include "loop/event_loop.h"
#include "sys/process.h"
#include "sys/signals.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

class Init {
 public:
    struct Options {
        bool reap = false;  // reap every child; the command has a session of its own
    };

    /// Borrows the channel and the signal source.
    Init(const Channel& channel, const sys::SignalFd& signals, Options options)
        : channel_(channel), signals_(signals), options_(options) {}

    /// Runs the loop until the command `pid` has ended, and returns how.
    [[nodiscard]] Result<sys::ExitStatus> run(pid_t pid, loop::EventLoop& loop);

 private:
    /// A command that has not stopped so long after the terminal's stop signal ignores it.
    static constexpr std::chrono::milliseconds kStopTakes{1000};

    void on_signals();
    void on_channel();
    void on_signal(int number, SignalPath path, bool from_terminal);
    void on_child_event(const sys::ChildEvent& event);
    void on_command_stopped(int stop_signal);
    void on_command_continued();
    void reap();
    void parent_died() const;
    [[nodiscard]] bool has_stopped_since(std::uint32_t stops);
    [[nodiscard]] bool command_in_our_group() const;

    const Channel& channel_;
    const sys::SignalFd& signals_;
    Options options_;
    SignalPolicy policy_;
    pid_t command_ = 0;
    bool stopped_for_terminal_ = false;
    std::optional<SignalPolicy::Clock::time_point> group_stopped_;  // by the terminal
    bool parent_stopped_ = false;
    std::uint32_t stops_ = 0;  // of the command that we told the parent of
    std::optional<sys::ExitStatus> ended_;
};

}  // namespace rk::launch
