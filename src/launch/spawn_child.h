// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "launch/channel.h"
#include "sys/environment.h"
#include "sys/process.h"

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

/// The child as the parent holds it: killed and reaped at the end of its life unless it was seen to
/// exit before, so that no way out of the set-up leaves it behind.
class ChildProcess {
 public:
    ChildProcess(pid_t pid, Channel channel) : pid_(pid), channel_(std::move(channel)) {}
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ChildProcess(ChildProcess&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), channel_(std::move(other.channel_)) {}
    ChildProcess& operator=(ChildProcess&&) = delete;
    ~ChildProcess();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const Channel& channel() const { return channel_; }
    /// Waits for its end and reaps it; it is killed first if it takes longer than a moment.
    sys::ExitStatus wait_or_kill();
    /// The caller has reaped it.
    void forget() { pid_ = 0; }

 private:
    pid_t pid_;
    Channel channel_;
};

/// Clones a process into the given new namespaces. It waits there, with every capability but not
/// one mapped ID, until it is told that its IDs are mapped; then it becomes this program again,
/// with `argv` and `environment` (to which the channel's number is added).
[[nodiscard]] Result<ChildProcess> spawn_child(unsigned long namespace_flags,
                                               const std::vector<std::string>& argv,
                                               sys::Environment environment);

}  // namespace rk::launch
