// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The relay faces whoever can reach a published port, so it keeps only what moving bytes takes. In
// this order, as each step needs what a later one gives up:
//
//   descriptors   all but the channel and stderr are closed; 0 and 1 become /dev/null
//   root          a new mount namespace whose root is an empty read-only tmpfs
//   capabilities  none, but CAP_NET_ADMIN of the namespace for transparent sources where asked for
//   process       no_new_privs, not dumpable or traceable, no core files
//   system calls  an allow-list (seccomp_filter.h); inherited by the threads that run() starts
//
// A step that is impossible (a container that forbids mounting, a kernel without seccomp) is
// reported, not fatal: a port that works with one wall less beats none, and `info` shows it.
#pragma once

#include "sys/fd.h"

#include <string>

namespace rk::relay {

struct SandboxRequest {
    sys::FdRef channel = sys::FdRef(-1);  // stays open, with stderr
    bool keep_net_admin = false;          // for transparent sources
    bool filter_system_calls = true;      // sanitizers need many more than the filter allows
};

/// What holds after enter_sandbox().
struct SandboxState {
    bool descriptors_closed = false;
    bool empty_root = false;
    bool capabilities_dropped = false;
    bool no_new_privileges = false;
    bool not_dumpable = false;
    bool system_calls_filtered = false;
    std::string problems;  // "empty root: unshare: operation not permitted; ..." or ""

    [[nodiscard]] bool complete() const { return problems.empty(); }
    /// One line for the log.
    [[nodiscard]] std::string text() const;
};

/// Drops what the relay does not need. Call in a process with one thread, before run(). There is no
/// way back.
[[nodiscard]] SandboxState enter_sandbox(const SandboxRequest& request);

}  // namespace rk::relay
