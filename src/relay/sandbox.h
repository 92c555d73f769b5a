// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The relay faces whoever can reach a published port, so it keeps only what moving bytes takes. In
// this order, as each step needs what a later one gives up:
//
//   descriptors   all but the channel, stderr and what is named are closed; 0, 1 become /dev/null
//   root          a new mount namespace whose root is an empty read-only tmpfs
//     (here threads may enter network namespaces, see netns_source.h: they need CAP_SYS_ADMIN)
//   capabilities  none, but CAP_NET_ADMIN of the namespace for transparent sources where asked for
//   process       no_new_privs, not dumpable or traceable, no core files
//   system calls  an allow-list (seccomp_filter.h), for every thread; inherited by new ones
//
// Capabilities and no_new_privs belong to a thread, so the sources' threads give up theirs, too.
//
// A step that is impossible (a container that forbids mounting, a kernel without seccomp) is
// reported, not fatal: a port that works with one wall less beats none, and `info` shows it.
#pragma once

#include "base/result.h"
#include "relay/socket_source.h"
#include "sys/fd.h"

#include <string>
#include <vector>

namespace rk::relay {

struct SandboxRequest {
    sys::FdRef channel = sys::FdRef(-1);  // stays open, with stderr
    std::vector<sys::FdRef> also_kept{};  // stay open as well
    bool keep_net_admin = false;          // for transparent sources, netlink
    bool filter_system_calls = true;      // sanitizers need many more than the filter allows
};

/// What holds by now.
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

/// Sheds descriptors alone; for a process that has something to do before it can shed the rest.
[[nodiscard]] Result<void> shed_descriptors(const SandboxRequest& request);

/// Sheds descriptors and the root directory. Call in a process with one thread.
[[nodiscard]] SandboxState leave_files(const SandboxRequest& request);

/// The rest, for this thread and those of the sources: there must be no others. Afterwards run()
/// may be called. There is no way back.
void give_up_rights(const SandboxRequest& request, const SocketSources& sources,
                    SandboxState& state);

/// Both at once, where there are no other threads.
[[nodiscard]] SandboxState enter_sandbox(const SandboxRequest& request);

}  // namespace rk::relay
