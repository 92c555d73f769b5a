// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace rk::ns {

/// The --evacuate-cgroup2 of one run, done by the parent in the host's namespaces: our processes
/// sit in a group of their own below the one they were started in, which so can enable its
/// controllers.
///
/// undo() puts back what can be put back; the destructor does it too. The child must be gone by
/// then, so an owner declares this before whatever ends the child.
class CgroupEvacuation {
 public:
    /// Nothing evacuated.
    CgroupEvacuation() = default;

    /// Makes the group `name` below the own cgroup2 group, moves this user's processes of the own
    /// group there and enables every controller. Warns and does nothing where there is no cgroup2
    /// group to evacuate; a process that cannot be moved and a controller that cannot be enabled
    /// are warnings. Errors: a name with '/', and the group cannot be made. `logger` must outlive
    /// this.
    [[nodiscard]] static Result<CgroupEvacuation> evacuate(const std::string& name,
                                                           const Logger& logger);

    CgroupEvacuation(const CgroupEvacuation&) = delete;
    CgroupEvacuation& operator=(const CgroupEvacuation&) = delete;
    CgroupEvacuation(CgroupEvacuation&& other) noexcept;
    CgroupEvacuation& operator=(CgroupEvacuation&& other) noexcept;
    ~CgroupEvacuation() { undo(); }

    /// Whether something was evacuated.
    [[nodiscard]] bool active() const { return logger_ != nullptr; }
    /// The group made, as a directory of the host. "" unless active.
    [[nodiscard]] const std::string& group() const { return group_; }

    /// Removes groups left empty below ours, disables the controllers that evacuate() enabled,
    /// moves this user's processes back and removes the group, each as far as the kernel lets us.
    /// Twice is harmless.
    void undo();

 private:
    const Logger* logger_ = nullptr;    // set while there is something to undo
    std::string origin_;                // the group we were started in
    std::string group_;                 // the one below it
    std::vector<std::string> enabled_;  // controllers that were not enabled before
};

}  // namespace rk::ns
