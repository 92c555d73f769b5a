// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/environment.h"

#include <csignal>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

/// How the user's command is to be started.
struct CommandPlan {
    std::vector<std::string> argv;  // at least one element
    sys::Environment environment;   // without anything internal
    sigset_t signal_mask{};         // the caller's, not ours
    bool sigchld_ignored = false;   // the caller had it so
    bool own_session = false;       // setsid(2): the reaper's command
    bool activated = false;         // write its own PID into LISTEN_PID
};

/// Starts it; it dies (SIGKILL) with this process. The program is looked up in the PATH of its
/// environment. Errors in Go's words: `exec: "X": executable file not found in $PATH`,
/// `fork/exec X: permission denied`.
[[nodiscard]] Result<pid_t> start_command(const CommandPlan& plan);

/// "command [a b c] exited: WHY", the line scripts know.
[[nodiscard]] std::string command_ended_text(const std::vector<std::string>& argv,
                                             std::string_view why);

}  // namespace rk::launch
