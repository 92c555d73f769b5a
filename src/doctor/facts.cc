// SPDX-License-Identifier: Apache-2.0
#include "doctor/facts.h"

#include "base/text.h"
#include "doctor/subid_advice.h"
#include "sys/file.h"
#include "wire/id_map_file.h"
#include "wire/mountinfo.h"
#include "wire/nsswitch.h"
#include "wire/passwd_file.h"
#include "wire/subid_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace rk::doctor {

namespace {

constexpr std::array<std::string_view, 7> kLimitNames = {"user", "mnt", "pid",   "net",
                                                         "uts",  "ipc", "cgroup"};

// Where distributions put newuidmap; the first is NixOS's.
constexpr std::string_view kUsualPath = "/run/wrappers/bin:/usr/bin:/bin:/usr/sbin:/usr/local/bin";

// The inodes of the initial namespaces are fixed (linux/proc_ns.h: PROC_USER_INIT_INO and so on).
constexpr std::string_view kInitialUserNamespace = "user:[4026531837]";
constexpr std::string_view kInitialPidNamespace = "pid:[4026531836]";
constexpr std::string_view kInitialCgroupNamespace = "cgroup:[4026531835]";

// Reads below a root, with "" for what cannot be read: a fact that is missing is no error here.
class Files {
 public:
    explicit Files(std::string root) : root_(std::move(root)) {}

    [[nodiscard]] std::string text(std::string_view path) const {
        return sys::read_file(at(path)).value_or(std::string());
    }
    [[nodiscard]] std::optional<std::uint64_t> number(std::string_view path) const {
        return parse_decimal(trim(text(path)));
    }
    [[nodiscard]] bool exists(std::string_view path) const {
        return sys::lstat_path(at(path)).has_value();
    }
    [[nodiscard]] std::string link(std::string_view path) const {
        return sys::read_link(at(path)).value_or(std::string());
    }
    [[nodiscard]] model::IdMap id_map(std::string_view path) const {
        return wire::parse_id_map_file(text(path)).value_or(model::IdMap());
    }

 private:
    [[nodiscard]] std::string at(std::string_view path) const {
        return fmt::format("{}{}", root_, path);
    }
    std::string root_;
};

std::optional<wire::FileCapabilities> file_capabilities(const std::string& path) {
    std::array<char, 64> bytes{};  // struct vfs_ns_cap_data is 24
    const ssize_t length =
        ::getxattr(path.c_str(), "security.capability", bytes.data(), bytes.size());
    if (length < 0) {
        return std::nullopt;
    }
    return wire::parse_vfs_cap({bytes.data(), static_cast<std::size_t>(length)});
}

HelperFacts helper_facts(const std::string& name, std::string_view search_path) {
    HelperFacts facts;
    const auto path = sys::look_up_program(name, search_path);
    if (!path) {
        facts.elsewhere = sys::look_up_program(name, kUsualPath).value_or(std::string());
        return facts;
    }
    facts.path = *path;
    if (const auto status = sys::stat_path(*path)) {
        facts.owner = status->st_uid;
        facts.setuid = (status->st_mode & S_ISUID) != 0;
    }
    struct statvfs filesystem {};
    facts.nosuid = ::statvfs(path->c_str(), &filesystem) == 0 &&
                   (filesystem.f_flag & static_cast<unsigned long>(ST_NOSUID)) != 0;
    facts.capabilities = file_capabilities(*path);
    return facts;
}

// The label of a process; /proc/PID is "self" or a number. attr/current belongs to whichever
// security module came first, so it counts only where AppArmor says it is on.
std::string apparmor_label(const Files& files, std::string_view process) {
    std::string label = files.text(fmt::format("/proc/{}/attr/apparmor/current", process));
    if (label.empty() && files.text("/sys/module/apparmor/parameters/enabled").starts_with('Y')) {
        label = files.text(fmt::format("/proc/{}/attr/current", process));
    }
    const std::string_view text(label.c_str());  // some kernels end it with a zero byte
    return std::string(trim(text));
}

// Mark files alone prove nothing: images made from a container's tree keep them and are booted as
// virtual machines. A container has a PID or cgroup namespace of its own, too.
bool in_container(const Files& files, const sys::Environment& environment) {
    const bool marked = files.exists("/.dockerenv") || files.exists("/run/.containerenv") ||
                        files.exists("/run/systemd/container");
    const bool separate = files.link("/proc/self/ns/pid") != kInitialPidNamespace ||
                          files.link("/proc/self/ns/cgroup") != kInitialCgroupNamespace;
    return (marked && separate) || environment.get("KUBERNETES_SERVICE_HOST").has_value() ||
           environment.get("container").has_value();
}

// current_chrooted() in the kernel: a process whose root is not the root of a mount may not make
// user namespaces (clone(2), EPERM). Such a process finds no line for "/" in its mountinfo.
bool is_chrooted(const Files& files) {
    const auto mounts = wire::parse_mountinfo(files.text("/proc/self/mountinfo")).mounts;
    return !mounts.empty() && std::none_of(mounts.begin(), mounts.end(), [](const auto& mount) {
        return mount.mount_point == "/";
    });
}

void gather_kernel(Facts& facts, const Files& files) {
    facts.unprivileged_userns_clone = files.number("/proc/sys/kernel/unprivileged_userns_clone");
    facts.apparmor_restrict_userns =
        files.number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    for (const std::string_view name : kLimitNames) {
        if (const auto value =
                files.number(fmt::format("/proc/sys/user/max_{}_namespaces", name))) {
            facts.limits.push_back({std::string(name), *value});
        }
    }
}

void gather_process(Facts& facts, const Files& files, const Failure& failure) {
    facts.uid = ::geteuid();
    facts.gid = ::getegid();
    if (const auto entry = wire::find_passwd_entry(files.text("/etc/passwd"), facts.uid)) {
        facts.primary_gid = entry->gid;
    }
    facts.executable = files.link("/proc/self/exe");
    facts.status = wire::parse_proc_status(files.text("/proc/self/status"));
    facts.apparmor_label = apparmor_label(files, "self");
    facts.chrooted = is_chrooted(files);
    if (failure.child > 0) {
        facts.child_apparmor_label = apparmor_label(files, fmt::format("{}", failure.child));
    }
    const std::string user_namespace = files.link("/proc/self/ns/user");
    facts.user_namespaces = !user_namespace.empty();
    facts.initial_user_namespace =
        user_namespace.empty() || user_namespace == kInitialUserNamespace;
    facts.uid_map = files.id_map("/proc/self/uid_map");
    facts.gid_map = files.id_map("/proc/self/gid_map");
}

void gather_subids(Facts& facts, const Files& files) {
    const std::string subuid = files.text("/etc/subuid");
    const std::string subgid = files.text("/etc/subgid");
    const wire::SubidOwner owner{.name = facts.user, .uid = facts.uid};
    facts.has_subuids = !wire::parse_subid_file(subuid, "/etc/subuid", owner).ranges.empty();
    facts.has_subgids = !wire::parse_subid_file(subgid, "/etc/subgid", owner).ranges.empty();
    SubidSpace space{.subuid_text = {},
                     .subgid_text = {},
                     .uid_map = facts.uid_map,
                     .gid_map = facts.gid_map,
                     .uid = facts.uid,
                     .gid = facts.gid};
    facts.namespace_subids = free_subid_range(space);
    space.subuid_text = subuid;
    space.subgid_text = subgid;
    facts.free_subids = free_subid_range(space);
    facts.subid_service = wire::names_other_subid_source(files.text("/etc/nsswitch.conf"));
}

void gather_lxc(LxcFacts& facts, const Files& files, const Failure& failure,
                const FactsRequest& request) {
    facts.program = helper_facts(failure.target, request.environment.get("PATH").value_or(""));
    facts.bridge_exists = files.exists(fmt::format("/sys/class/net/{}/bridge", failure.bridge));
    facts.grant =
        wire::find_usernet_grant(files.text("/etc/lxc/lxc-usernet"), request.user, failure.bridge);
}

}  // namespace

Facts gather_facts(const Failure& failure, const FactsRequest& request) {
    const Files files(request.root);
    const std::string_view search_path = request.environment.get("PATH").value_or("");
    Facts facts;
    facts.user = request.user;
    gather_kernel(facts, files);
    gather_process(facts, files, failure);
    facts.container = in_container(files, request.environment);
    facts.newuidmap = helper_facts("newuidmap", search_path);
    facts.newgidmap = helper_facts("newgidmap", search_path);
    gather_subids(facts, files);
    if (failure.program == kLxcUserNic) {
        gather_lxc(facts.lxc, files, failure, request);
    } else if (failure.stage == Stage::kSetUpNetwork) {
        if (!failure.program.empty() && failure.program != kBuiltinNetwork) {
            facts.network_program = helper_facts(failure.target, search_path);
        }
        const std::string tun = request.root + "/dev/net/tun";
        facts.tun_node = sys::lstat_path(tun).has_value();
        const Result<sys::Fd> opened = sys::open_file(tun, O_RDWR);
        facts.tun_error = opened ? 0 : opened.error().code;
    }
    facts.distribution = wire::parse_os_release(files.text("/etc/os-release"));
    return facts;
}

}  // namespace rk::doctor
