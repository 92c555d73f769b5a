// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/environment.h"
#include "sys/fd.h"

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::sys {

/// What a new program starts with. Descriptors that are not named here are passed on unless they
/// are close-on-exec, which all of ours are.
struct SpawnPlan {
    std::string path;               // used as it is, no look-up
    std::vector<std::string> argv;  // at least one element
    Environment environment;
    sigset_t signal_mask{};
    bool default_signals = false;  // signals we ignore are at their default there
    bool ignore_sigchld = false;
    bool own_session = false;    // setsid(2)
    std::string pid_variable;    // "" or the name of a variable that is to hold its own PID
    std::optional<FdRef> input;  // become 0, 1, 2; above 2 themselves
    std::optional<FdRef> output;
    std::optional<FdRef> error;
    std::optional<FdRef> extra;  // becomes 3; above 3 itself, as then are the three above
    bool nothing_else = false;   // no descriptor above 3 is passed on (Linux 5.9)
};

/// Starts a program by vfork(2) and execve(2); it gets SIGKILL when this process dies (the kernel
/// forgets that for a set-user-ID program, prctl(2)). Error: "fork/exec PATH: why", Go's words.
[[nodiscard]] Result<pid_t> spawn(const SpawnPlan& plan);

}  // namespace rk::sys
