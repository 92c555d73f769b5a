// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "ns/target_namespaces.h"
#include "sys/clock.h"

#include <sys/types.h>

namespace rk::ns {

/// A process of ours that does nothing but be in the child's user and network namespace, for
/// programs that want to be told a namespace by a PID. It is there when start() returns, and gone
/// with this object or with us.
class NamespaceAnchor {
 public:
    [[nodiscard]] static Result<NamespaceAnchor> start(const TargetNamespaces& namespaces,
                                                       sys::Deadline deadline);
    NamespaceAnchor(const NamespaceAnchor&) = delete;
    NamespaceAnchor& operator=(const NamespaceAnchor&) = delete;
    NamespaceAnchor(NamespaceAnchor&& other) noexcept;
    NamespaceAnchor& operator=(NamespaceAnchor&&) = delete;
    ~NamespaceAnchor();

    [[nodiscard]] pid_t pid() const { return pid_; }

 private:
    explicit NamespaceAnchor(pid_t pid) : pid_(pid) {}

    pid_t pid_;  // 0: moved from
};

}  // namespace rk::ns
