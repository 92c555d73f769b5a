// SPDX-License-Identifier: Apache-2.0
#include "ns/sys_mount.h"

#include "ns/kernel_fs.h"
#include "sys/file.h"
#include "sys/mount_calls.h"

#include <cerrno>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/mount.h>

namespace rk::ns {

namespace {

constexpr const char* kSys = "/sys";
constexpr const char* kCgroup = "/sys/fs/cgroup";
constexpr unsigned long kSafeFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

Result<void> mount_cgroup2() {
    return sys::mount(
        {.source = "cgroup2", .target = kCgroup, .type = "cgroup2", .flags = kSafeFlags});
}

// On top of the old sysfs /sys/fs/cgroup may be a tree of cgroup v1 mounts, which a tmpfs hides as
// a whole even if cgroup2 is unmounted again by the command.
Result<void> cover_cgroup() {
    TRY(sys::mount({.source = "tmpfs",
                    .target = kCgroup,
                    .type = "tmpfs",
                    .flags = kSafeFlags,
                    .data = "mode=0755"}));
    return mount_cgroup2();
}

/// Empty where this machine has no such directory.
Result<std::optional<HeldTree>> hold_cgroup(TreeApi api) {
    auto directory = sys::open_file(kCgroup, O_PATH | O_DIRECTORY);
    if (!directory && directory.error().code == ENOENT) {
        return std::nullopt;
    }
    if (!directory) {
        return fail(std::move(directory).error());
    }
    return TRY(HeldTree::take(std::move(*directory), api));
}

}  // namespace

SysMountPlan plan_sys_mounts(const model::Options& options) {
    const bool bare =  // no interface whose sight would be wrong, or none but lo
        options.network == model::NetworkDriver::kHost ||
        options.network == model::NetworkDriver::kNone;
    return {.fresh_sysfs = !bare && !options.detach_netns,
            .cgroup2 = !options.evacuate_cgroup2.empty()};
}

Result<void> mount_sys(const SysMountPlan& plan, const Logger& logger) {
    if (!plan.fresh_sysfs) {
        return plan.cgroup2 ? cover_cgroup() : Result<void>();
    }
    std::optional<HeldTree> cgroup;
    if (!plan.cgroup2) {
        cgroup = TRY_CTX(hold_cgroup(plan.api), "keep {}", kCgroup);
    }
    const bool mounted = mount_kernel_fs("sysfs", kSys, logger);
    if (plan.cgroup2) {
        return mount_cgroup2();
    }
    if (mounted && cgroup) {
        TRY_CTX(cgroup->attach(kCgroup), "keep {}", kCgroup);
    }
    return {};
}

}  // namespace rk::ns
