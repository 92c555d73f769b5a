// SPDX-License-Identifier: Apache-2.0
#include "doctor/rules.h"
#include "wire/id_map_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <linux/capability.h>

namespace rk::doctor::rules {

namespace {

// What distributions that raise the limit set (RHEL 7's documentation): enough for any desktop.
constexpr std::uint64_t kUsualLimit = 28633;  // namespaces
// The limits are ints.
constexpr std::uint64_t kLargestDoubled = INT32_MAX / 2;  // namespaces

// Where a kernel switch is set, seen from here.
enum class Where { kHere, kOuter };

// `setting` as a command, with a second one that keeps it over a reboot. A nested namespace has
// limits of its own, which its root sets and which end with it.
Diagnosis set_switch(std::string cause, const std::string& setting, const Facts& facts,
                     Where where) {
    Diagnosis diagnosis{.cause = std::move(cause), .remedy = {}, .block = {}};
    if (where == Where::kHere && !facts.initial_user_namespace) {
        diagnosis.remedy = fmt::format("as root of this user namespace: sysctl -w {}", setting);
        return diagnosis;
    }
    const std::string_view place = where == Where::kOuter ? "outside of this user namespace: "
                                   : facts.container      ? "on the host: "
                                                          : "";
    diagnosis.remedy = fmt::format("{}sudo sysctl -w {}", place, setting);
    diagnosis.block = fmt::format(
        "    echo {} | sudo tee -a /etc/sysctl.d/99-rootlesskit.conf  # to keep it\n", setting);
    return diagnosis;
}

std::string limit_setting(std::string_view name, std::uint64_t value) {
    return fmt::format("user.max_{}_namespaces={}", name, value);
}

}  // namespace

// clone(2): EAGAIN is RLIMIT_NPROC or the cgroup's pids.max; nothing tells which.
Answer process_limit(const Failure& failure, const Facts& /*facts*/) {
    if (failure.code != EAGAIN) {
        return std::nullopt;
    }
    return Diagnosis{.cause =
                         "the limit of processes is reached (ulimit -u, or pids.max of the "
                         "cgroup)",
                     .remedy =
                         "end some processes of this user, or raise the limit: ulimit -u; "
                         "for a systemd unit TasksMax=",
                     .block = {}};
}

Answer no_user_namespaces(const Failure& /*failure*/, const Facts& facts) {
    if (facts.user_namespaces) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = "this kernel has no user namespaces: /proc/self/ns/user does not exist",
        .remedy = "start a kernel built with CONFIG_USER_NS=y",
        .block = {}};
}

Answer limit_zero(const Failure& failure, const Facts& facts) {
    const auto zero = std::find_if(facts.limits.begin(), facts.limits.end(),
                                   [](const NamespaceLimit& limit) { return limit.value == 0; });
    if (failure.code != ENOSPC || zero == facts.limits.end()) {
        return std::nullopt;
    }
    return set_switch(
        fmt::format("/proc/sys/user/max_{}_namespaces needs to be set to non-zero.", zero->name),
        limit_setting(zero->name, kUsualLimit), facts, Where::kHere);
}

// Limits are counted in every enclosing user namespace, and 32 levels are the most the kernel nests
// (user_namespaces(7)); from inside neither can be seen.
Answer limit_outside(const Failure& failure, const Facts& facts) {
    if ((failure.code != ENOSPC && failure.code != EUSERS) || facts.initial_user_namespace) {
        return std::nullopt;
    }
    return set_switch(
        "a limit of an outer user namespace is used up: this one is nested, and the outer one's "
        "max_user_namespaces counts for it",
        limit_setting("user", kUsualLimit), facts, Where::kOuter);
}

Answer limit_used_up(const Failure& failure, const Facts& facts) {
    if (failure.code != ENOSPC || facts.limits.empty()) {
        return std::nullopt;
    }
    const std::uint64_t limit = facts.limits.front().value;
    const std::uint64_t higher = std::max(kUsualLimit, std::min(limit, kLargestDoubled) * 2);
    return set_switch(
        fmt::format("this user has as many namespaces as /proc/sys/user/max_user_namespaces "
                    "allows ({})",
                    limit),
        limit_setting("user", higher), facts, Where::kHere);
}

Answer unprivileged_userns_clone(const Failure& failure, const Facts& facts) {
    if (failure.code != EPERM || facts.unprivileged_userns_clone.value_or(1) != 0 ||
        have_capability(facts, CAP_SYS_ADMIN)) {
        return std::nullopt;
    }
    return set_switch("/proc/sys/kernel/unprivileged_userns_clone needs to be set to 1.",
                      "kernel.unprivileged_userns_clone=1", facts, Where::kHere);
}

// clone(2): EPERM where the effective user or group ID has no mapping in the current namespace.
Answer own_id_not_mapped(const Failure& failure, const Facts& facts) {
    const bool mapped = wire::covers(facts.uid_map, {.start = facts.uid, .length = 1}) &&
                        wire::covers(facts.gid_map, {.start = facts.gid, .length = 1});
    if (failure.code != EPERM || facts.initial_user_namespace || mapped) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("user ID {} or group ID {} of this process is not mapped in the user "
                             "namespace it runs in, which forbids it to nest another one",
                             facts.uid, facts.gid),
        .remedy =
            "start it as an ID that is in /proc/self/uid_map and /proc/self/gid_map both, "
            "e.g. as root of the outer namespace (unshare --map-root-user)",
        .block = {}};
}

Answer chrooted(const Failure& failure, const Facts& facts) {
    if (failure.code != EPERM || !facts.chrooted) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = "this process runs in a chroot, where the kernel refuses user namespaces",
        .remedy =
            "leave the chroot, or enter the tree by pivot_root(2) instead: systemd-nspawn, "
            "bwrap",
        .block = {}};
}

}  // namespace rk::doctor::rules
