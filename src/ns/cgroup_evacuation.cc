// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation. cgroup2 lets a group distribute controllers to its children only while it
// has no processes itself (cgroups(7), "no internal processes"). Started in a delegated group G, we
// move what is in there to G/NAME and enable the controllers in G. The child's cgroup namespace was
// made in G, so it sees itself in /NAME and may make groups beside it.
//
// Only processes of this user are moved; another one in G keeps its place and is named in a
// warning, at the price that the kernel then refuses the controllers. The root of the hierarchy is
// never evacuated: it has no such rule, and its processes are the whole machine.
//
// Undoing goes the other way round: empty groups below NAME first (a child that uses a controller
// keeps it enabled), then the controllers, then the processes, then NAME. rmdir(2) of a group with
// live processes fails, so nothing that is used can get lost.
#include "ns/cgroup_evacuation.h"

#include "base/text.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "wire/cgroup_file.h"
#include "wire/mountinfo.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace rk::ns {

namespace {

constexpr std::uint32_t kCgroup2Magic = 0x63677270;  // CGROUP2_SUPER_MAGIC of linux/magic.h

// A group's processes may fork while they are moved; each round catches what the one before missed.
constexpr int kMaxRounds = 8;
constexpr int kMaxDepth = 32;  // groups below ours that are looked at when undoing

bool is_cgroup2_directory(const std::string& path) {
    struct statfs status {};
    return ::statfs(path.c_str(), &status) == 0 &&
           static_cast<std::uint32_t>(status.f_type) == kCgroup2Magic;
}

/// The directory of the own group. Empty, after a warning, where there is none to evacuate.
Result<std::optional<std::string>> own_group(const Logger& logger) {
    const std::string memberships = TRY(sys::read_file("/proc/self/cgroup"));
    const auto group = wire::cgroup2_group(memberships);
    if (!group) {
        logger.warn("evacuate-cgroup2: this process is in no cgroup2 group, skipping");
        return std::nullopt;
    }
    std::vector<std::string> directories;
    const auto table = wire::parse_mountinfo(TRY(sys::read_file("/proc/self/mountinfo")));
    for (const wire::MountInfo& mount : table.mounts) {
        if (mount.type != "cgroup2") {
            continue;
        }
        auto directory = wire::cgroup_directory(mount, *group);
        if (directory && is_cgroup2_directory(*directory)) {
            directories.push_back(std::move(*directory));
        }
    }
    if (directories.empty()) {
        logger.warn("evacuate-cgroup2: no cgroup2 mount shows the group {}, skipping", *group);
        return std::nullopt;
    }
    if (directories.size() > 1) {
        logger.warn("evacuate-cgroup2: several cgroup2 mounts, using {}", directories.front());
    }
    // Every group but the root of the hierarchy has this file. The path alone does not tell: it is
    // "/" in a cgroup namespace too.
    if (!sys::stat_path(directories.front() + "/cgroup.events")) {
        logger.warn("evacuate-cgroup2: this process is in the root group of cgroup2, skipping");
        return std::nullopt;
    }
    return directories.front();
}

enum class Owner { kUs, kOther, kGone };

/// By the real user ID in /proc/PID/status; the owner of /proc/PID itself is root for processes
/// that may not be dumped.
Owner owner_of(const std::string& pid) {
    const auto status = sys::read_file(fmt::format("/proc/{}/status", pid));
    if (!status) {
        return status.error().code == ENOENT || status.error().code == ESRCH ? Owner::kGone
                                                                             : Owner::kOther;
    }
    for (const std::string_view line : split(*status, '\n')) {
        const auto words = split_blanks(line);
        if (words.size() > 1 && words[0] == "Uid:") {
            return parse_decimal(words[1]) == ::getuid() ? Owner::kUs : Owner::kOther;
        }
    }
    return Owner::kOther;
}

/// A process that could not be moved and the reason.
struct Left {
    std::string pid;
    std::string why;
};

/// Moves one process. Nothing to report where it has gone meanwhile.
std::optional<Left> move_process(const std::string& pid, const std::string& to) {
    switch (owner_of(pid)) {
        case Owner::kGone:
            return std::nullopt;
        case Owner::kOther:
            return Left{.pid = pid, .why = "it belongs to another user"};
        case Owner::kUs:
            break;
    }
    const auto moved = sys::write_existing(to + "/cgroup.procs", pid);
    if (moved || moved.error().code == ESRCH) {
        return std::nullopt;
    }
    return Left{.pid = pid, .why = moved.error().message};
}

/// Moves this user's processes from one group to another and tells which are left. Processes that
/// are not in our PID namespace show as "0" and cannot be named.
Result<std::vector<Left>> move_processes(const std::string& from, const std::string& to) {
    std::set<std::string> seen;
    std::vector<Left> left;
    for (int round = 0; round < kMaxRounds; ++round) {
        const std::size_t seen_before = seen.size();
        const std::string listed = TRY(sys::read_file(from + "/cgroup.procs"));
        for (const std::string_view pid : split_blanks(listed)) {
            if (pid == "0" || !seen.emplace(pid).second) {
                continue;
            }
            if (auto stays = move_process(std::string(pid), to)) {
                left.push_back(std::move(*stays));
            }
        }
        if (seen.size() == seen_before) {
            break;
        }
    }
    return left;
}

Result<void> set_controller(const std::string& group, char sign, const std::string& controller) {
    return sys::write_existing(group + "/cgroup.subtree_control",
                               fmt::format("{}{}", sign, controller));
}

/// Enables what is not enabled yet; returns what it enabled.
std::vector<std::string> enable_controllers(const std::string& group, const Logger& logger) {
    const auto available = sys::read_file(group + "/cgroup.controllers");
    const auto active = sys::read_file(group + "/cgroup.subtree_control");
    if (!available || !active) {
        logger.warn("evacuate-cgroup2: cannot read the controllers of {}", group);
        return {};
    }
    const auto already = wire::cgroup_controllers(*active);
    std::vector<std::string> enabled;
    for (const std::string& controller : wire::cgroup_controllers(*available)) {
        if (std::find(already.begin(), already.end(), controller) != already.end()) {
            continue;
        }
        const auto set = set_controller(group, '+', controller);
        if (set) {
            enabled.push_back(controller);
        } else {
            logger.warn("evacuate-cgroup2: failed to enable controller {}: {}", controller,
                        set.error().message);
        }
    }
    return enabled;
}

/// Removes the groups below one that nobody uses. Never a process, never a file: rmdir(2) only.
// NOLINTNEXTLINE(misc-no-recursion): `depth` bounds it
void remove_empty_groups_below(const std::string& group, int depth) {
    const auto names = sys::list_directory(group);
    if (!names || depth == 0) {
        return;
    }
    for (const std::string& name : *names) {
        const std::string path = fmt::format("{}/{}", group, name);
        const auto status = sys::lstat_path(path);
        if (status && S_ISDIR(status->st_mode)) {
            remove_empty_groups_below(path, depth - 1);
            ::rmdir(path.c_str());
        }
    }
}

Result<void> make_group(const std::string& origin, const std::string& name) {
    const sys::Fd directory = TRY(sys::open_file(origin, O_PATH | O_DIRECTORY));
    auto made = sys::make_directory_at(directory, name, 0755);
    if (made || made.error().code == EEXIST) {  // one that a killed run left behind
        return {};
    }
    const bool not_delegated = made.error().code == EACCES || made.error().code == EPERM;
    return fail(
        Error{fmt::format("failed to evacuate cgroup2: in {}: {}{}", origin, made.error().message,
                          not_delegated ? " (is this group delegated to the user? With "
                                          "systemd: systemd-run --user -p Delegate=yes)"
                                        : ""),
              made.error().code});
}

}  // namespace

Result<CgroupEvacuation> CgroupEvacuation::evacuate(const std::string& name, const Logger& logger) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        return fail("failed to evacuate cgroup2: invalid group name {}", quote(name));
    }
    const auto origin = TRY_CTX(own_group(logger), "failed to evacuate cgroup2");
    if (!origin) {
        return CgroupEvacuation();
    }
    TRY(make_group(*origin, name));
    CgroupEvacuation evacuation;  // from here on an error undoes
    evacuation.logger_ = &logger;
    evacuation.origin_ = *origin;
    evacuation.group_ = *origin + "/" + name;
    const auto left = TRY_CTX(move_processes(evacuation.origin_, evacuation.group_),
                              "failed to evacuate cgroup2");
    for (const Left& process : left) {
        logger.warn("evacuate-cgroup2: process {} stays in {}: {}", process.pid, evacuation.origin_,
                    process.why);
    }
    evacuation.enabled_ = enable_controllers(evacuation.origin_, logger);
    return evacuation;
}

CgroupEvacuation::CgroupEvacuation(CgroupEvacuation&& other) noexcept
    : logger_(std::exchange(other.logger_, nullptr)),
      origin_(std::move(other.origin_)),
      group_(std::move(other.group_)),
      enabled_(std::move(other.enabled_)) {}

CgroupEvacuation& CgroupEvacuation::operator=(CgroupEvacuation&& other) noexcept {
    if (this != &other) {
        undo();
        logger_ = std::exchange(other.logger_, nullptr);
        origin_ = std::move(other.origin_);
        group_ = std::move(other.group_);
        enabled_ = std::move(other.enabled_);
    }
    return *this;
}

void CgroupEvacuation::undo() {
    const Logger* logger = std::exchange(logger_, nullptr);
    if (logger == nullptr) {
        return;
    }
    remove_empty_groups_below(group_, kMaxDepth);
    for (const std::string& controller : enabled_) {
        const auto set = set_controller(origin_, '-', controller);
        if (!set) {
            logger->debug("evacuate-cgroup2: controller {} stays enabled: {}", controller,
                          set.error().message);
        }
    }
    const auto left = move_processes(group_, origin_);
    if (left) {
        for (const Left& process : *left) {
            logger->debug("evacuate-cgroup2: process {} stays in {}: {}", process.pid, group_,
                          process.why);
        }
    }
    if (::rmdir(group_.c_str()) < 0) {
        logger->debug("evacuate-cgroup2: {} stays: {}", group_, errno_text(errno));
    }
}

}  // namespace rk::ns
