// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "wire/mountinfo.h"

#include <optional>
#include <string>
#include <string_view>

namespace rk::wire {

/// The process's group in the cgroup2 hierarchy, out of /proc/PID/cgroup (cgroups(7)): what follows
/// "0::". Starts with '/'; "/.." leads out of the reader's cgroup namespace. Empty where the
/// process is in no cgroup2 hierarchy, or the line is malformed.
[[nodiscard]] std::optional<std::string> cgroup2_group(std::string_view text);

/// The directory that shows `group` in a cgroup mount. Empty where this mount does not show it:
/// only another subtree is mounted, or the group lies outside the cgroup namespace.
[[nodiscard]] std::optional<std::string> cgroup_directory(const MountInfo& mount,
                                                          std::string_view group);

/// The names in a space-separated list, as cgroup.controllers and cgroup.subtree_control are.
[[nodiscard]] std::vector<std::string> cgroup_controllers(std::string_view text);

}  // namespace rk::wire
