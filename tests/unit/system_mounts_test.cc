// SPDX-License-Identifier: Apache-2.0
#include "ns/proc_mount.h"
#include "ns/propagation.h"
#include "ns/sys_mount.h"
#include "sys/file.h"
#include "wire/mountinfo.h"

#include <filesystem>
#include <set>

#include <sys/stat.h>
#include <sys/statfs.h>

#include "namespace_child.h"

namespace rk::ns {
namespace {

namespace fs = std::filesystem;
using test::Report;

constexpr long kCgroup2Magic = 0x63677270;
constexpr const char* kCgroup = "/sys/fs/cgroup";

Logger test_logger() {
    return Logger({.id = "test", .debug = false, .fd = 2, .terminal = false});
}

bool root_is_shared() {
    const std::string text = sys::read_file("/proc/self/mountinfo").value_or("");
    for (const auto& mount : wire::parse_mountinfo(text).mounts) {
        if (mount.mount_point == "/") {
            return mount.shared();
        }
    }
    return false;
}

TEST(Propagation, ChangesTheRoot) {
    test::run_in_namespace(0, [](Report& report) {
        using model::Propagation;
        report.expect(!root_is_shared(), "a new namespace is no peer of the host");
        for (const auto value : {Propagation::kShared, Propagation::kRshared}) {
            report.expect(set_propagation(value).has_value() && root_is_shared(), "shared");
            report.expect(set_propagation(Propagation::kPrivate).has_value(), "private");
            report.expect(!root_is_shared(), "private again");
        }
        for (const auto value :
             {Propagation::kRprivate, Propagation::kSlave, Propagation::kRslave}) {
            report.expect(set_propagation(Propagation::kShared).has_value(), "shared");
            report.expect(set_propagation(value).has_value() && !root_is_shared(), "not shared");
        }
    });
}

TEST(Propagation, SaysWhatFailed) {
    test::run_in_namespace(0, [](Report& report) {
        // In one more user namespace the mount namespace is somebody else's, for root too.
        report.expect(::unshare(CLONE_NEWUSER) == 0, "nested user namespace");
        const auto done = set_propagation(model::Propagation::kRslave);
        report.equal(done ? "" : done.error().message,
                     "set mount propagation to rslave: mount none on /: operation not permitted",
                     "error");
    });
}

TEST(ProcMount, ShowsTheOwnPidNamespace) {
    test::run_in_namespace(CLONE_NEWPID, [](Report& report) {
        const pid_t first = ::fork();
        if (first == 0) {
            mount_proc(test_logger());
            std::error_code failed;
            ::_exit(fs::read_symlink("/proc/self", failed) == "1" ? 0 : 1);
        }
        int status = -1;
        report.expect(::waitpid(first, &status, 0) == first, "wait");
        if (status != 0) {
            report.cannot_run("no procfs of a new PID namespace (is /proc partly masked?)");
        }
    });
}

dev_t device_of(const char* path) {
    struct stat status {};
    return ::stat(path, &status) == 0 ? status.st_dev : 0;
}

std::set<std::string> names_in(const fs::path& directory) {
    std::set<std::string> names;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        names.insert(fmt::format("{} {}", entry.path().filename().string(),
                                 device_of(entry.path().c_str())));
    }
    return names;
}

class SysMount : public ::testing::TestWithParam<TreeApi> {};
INSTANTIATE_TEST_SUITE_P(Holds, SysMount, ::testing::Values(TreeApi::kAuto, TreeApi::kBindOnly));

TEST_P(SysMount, AFreshSysfsKeepsTheCgroupMounts) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        const dev_t old_sysfs = device_of("/sys");
        const dev_t old_cgroup = device_of(kCgroup);
        const auto before = names_in(kCgroup);
        const auto done = mount_sys({.fresh_sysfs = true, .api = GetParam()}, test_logger());
        report.expect(done.has_value(), "mount_sys");
        if (device_of("/sys") == old_sysfs) {
            return report.cannot_run("no sysfs of a new network namespace (is /sys masked?)");
        }
        report.expect(fs::exists("/sys/class/net/lo"), "/sys/class/net/lo");
        report.expect(!fs::exists("/sys/class/net/eth0"), "no interface of the host");
        report.expect(device_of(kCgroup) == old_cgroup, "/sys/fs/cgroup is the same filesystem");
        report.expect(names_in(kCgroup) == before, "/sys/fs/cgroup has the same mounts");
    });
}

bool shows_cgroup2() {
    struct statfs status {};
    return ::statfs(kCgroup, &status) == 0 && status.f_type == kCgroup2Magic;
}

void expect_cgroup2(const SysMountPlan& plan) {
    test::run_in_namespace(CLONE_NEWNET | CLONE_NEWCGROUP, [plan](Report& report) {
        const auto done = mount_sys(plan, test_logger());
        report.equal(done ? "" : done.error().message, "", "mount_sys");
        report.expect(shows_cgroup2(), "/sys/fs/cgroup is cgroup2");
    });
}

TEST(SysMountCgroup2, OnTheOldSysfs) {
    expect_cgroup2({.fresh_sysfs = false, .cgroup2 = true});
}

TEST(SysMountCgroup2, OnAFreshSysfs) {
    expect_cgroup2({.fresh_sysfs = true, .cgroup2 = true});
}

TEST(SysMountPlanTest, FollowsTheOptions) {
    model::Options options;
    EXPECT_FALSE(plan_sys_mounts(options).fresh_sysfs);
    EXPECT_FALSE(plan_sys_mounts(options).cgroup2);
    options.network = model::NetworkDriver::kNone;
    EXPECT_FALSE(plan_sys_mounts(options).fresh_sysfs);
    options.network = model::NetworkDriver::kSlirp4netns;
    EXPECT_TRUE(plan_sys_mounts(options).fresh_sysfs);
    options.evacuate_cgroup2 = "evac";
    EXPECT_TRUE(plan_sys_mounts(options).cgroup2);
    options.detach_netns = true;
    EXPECT_FALSE(plan_sys_mounts(options).fresh_sysfs);
    EXPECT_TRUE(plan_sys_mounts(options).cgroup2);
}

}  // namespace
}  // namespace rk::ns
