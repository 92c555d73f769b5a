// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>

#include <sys/types.h>

namespace rk::ns {

/// The child's user and network namespaces as descriptors, so that they can be entered at any later
/// time, whatever became of the process they were opened through.
class TargetNamespaces {
 public:
    /// `detached_netns`: where the child has bound its detached network namespace, as a path of the
    /// child's mount namespace (STATE_DIR/netns); "" = the child's own.
    [[nodiscard]] static Result<TargetNamespaces> of_child(pid_t child,
                                                           const std::string& detached_netns);
    TargetNamespaces(sys::Fd user, sys::Fd network)
        : user_(std::move(user)), network_(std::move(network)) {}

    /// Moves the calling process, which must be a forked one with a single thread, into both. It
    /// has every capability there and cannot come back.
    [[nodiscard]] Result<void> enter() const;
    /// Only into the user namespace. CAP_SYS_ADMIN there lets threads follow into the other later.
    [[nodiscard]] Result<void> enter_user() const;

    [[nodiscard]] sys::FdRef user() const { return user_; }
    [[nodiscard]] sys::FdRef network() const { return network_; }

 private:
    sys::Fd user_;  // empty: this process' own
    sys::Fd network_;
};

}  // namespace rk::ns
