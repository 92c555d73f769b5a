// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "model/options.h"
#include "ns/held_tree.h"

namespace rk::ns {

/// What is to change below /sys.
struct SysMountPlan {
    bool fresh_sysfs = false;  // a sysfs of the own network namespace
    bool cgroup2 = false;      // /sys/fs/cgroup shows the own cgroup namespace
    TreeApi api = TreeApi::kAuto;
};

/// The plan for a run: a fresh sysfs wherever the child has a network namespace with interfaces,
/// and cgroup2 whenever the group was to be evacuated, with --detach-netns too.
[[nodiscard]] SysMountPlan plan_sys_mounts(const model::Options& options);

/// Carries the plan out. That no new sysfs can be mounted is only a warning, everything else an
/// error. /sys/fs/cgroup keeps its mounts unless cgroup2 takes its place; other mounts below /sys
/// (securityfs, debugfs, bpf, ...) are not shown on a fresh sysfs: engines take the sight of
/// securityfs for the permission to load AppArmor profiles, and stop when that fails.
[[nodiscard]] Result<void> mount_sys(const SysMountPlan& plan, const Logger& logger);

}  // namespace rk::ns
