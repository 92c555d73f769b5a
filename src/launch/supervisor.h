// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "launch/spawn_child.h"
#include "loop/event_loop.h"
#include "sys/process.h"
#include "sys/signals.h"

#include <cstdint>
#include <optional>

namespace rk::launch {

/// The parent's life while the command runs: every signal goes to the child over the channel, the
/// child's end is the end, and when the command was stopped from the terminal the parent stops too,
/// so that the shell that waits for it takes the terminal back.
class Supervisor {
 public:
    /// Borrows all three; the loop may serve others too.
    Supervisor(ChildProcess& child, const sys::SignalFd& signals, loop::EventLoop& loop)
        : child_(child), signals_(signals), loop_(loop) {}

    /// Runs until the child has ended, reaps it and returns how it ended.
    [[nodiscard]] Result<sys::ExitStatus> run();

 private:
    void on_signals();
    void on_channel();
    void reap();

    ChildProcess& child_;
    const sys::SignalFd& signals_;
    loop::EventLoop& loop_;
    std::uint32_t stops_ = 0;  // of the command that we were told of
    std::optional<sys::ExitStatus> ended_;
};

}  // namespace rk::launch
