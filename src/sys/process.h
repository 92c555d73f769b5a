// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

namespace rk::sys {

/// How a process ended.
struct ExitStatus {
    bool signalled = false;
    int number = 0;            // exit status, or the signal's number
    bool core_dumped = false;  // only with signalled

    [[nodiscard]] bool success() const { return !signalled && number == 0; }
    /// Go's words: "exit status 3", "signal: killed", "signal: aborted (core dumped)".
    [[nodiscard]] std::string text() const;
    /// What rootlesskit itself exits with: the status, and 255 for a signal.
    [[nodiscard]] int exit_code() const;
};

/// A change of a child's state, from waitid(2).
struct ChildEvent {
    enum class Kind { kExited, kStopped, kContinued };
    Kind kind = Kind::kExited;
    pid_t pid = 0;
    ExitStatus status;    // with kExited
    int stop_signal = 0;  // with kStopped
};

/// The next pending event of `pid`, or of any child where `pid` is 0, without waiting. Only asks
/// for `pid`, so that nobody else's exit status is stolen.
[[nodiscard]] std::optional<ChildEvent> next_child_event(pid_t pid);

/// Waits until `pid` has exited and reaps it. Only for a child that was just killed or is known to
/// exit by itself.
ExitStatus wait_for_exit(pid_t pid);

/// clone(2) with namespace flags and SIGCHLD, fork-like: 0 in the child. No fork handlers run; this
/// program has one thread, so the child may go on using the heap, but set-up children exec or exit
/// as soon as they can. Error: "fork/exec /proc/self/exe: why", the text users look for.
[[nodiscard]] Result<pid_t> clone_process(unsigned long namespace_flags);

/// Runs `work` in a forked process (with new namespaces, if flags are given) and brings its error
/// back. Used where the calling process must not enter a namespace because it could not return.
[[nodiscard]] Result<void> run_forked(unsigned long namespace_flags,
                                      const std::function<Result<void>()>& work);

/// Asks for SIGKILL when the parent dies. The kernel forgets it when a process changes credentials
/// (prctl(2)), so it is asked for again at each stage.
void die_with_parent();

/// SIGKILL to one process, recorded by us; errors do not matter (it may be gone).
void kill_hard(pid_t pid);

}  // namespace rk::sys
