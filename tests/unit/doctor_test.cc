// SPDX-License-Identifier: Apache-2.0
//
// The doctor's senses: facts gathered below a made-up root, advice on sub-IDs, preflight warnings.
#include "doctor/facts.h"
#include "doctor/preflight.h"
#include "doctor/remedies.h"
#include "doctor/subid_advice.h"
#include "sys/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace rk::doctor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

model::IdMap whole_map() {
    return {{.inside = 0, .outside = 0, .length = UINT32_MAX}};
}

SubidSpace space(std::string_view subuid, std::string_view subgid) {
    return {.subuid_text = subuid,
            .subgid_text = subgid,
            .uid_map = whole_map(),
            .gid_map = whole_map(),
            .uid = 1000,
            .gid = 1000};
}

TEST(SubidAdvice, StartsWhereUseraddStarts) {
    EXPECT_EQ(free_subid_range(space("", "")), (model::IdRange{100000, 65536}));
}

TEST(SubidAdvice, GoesAroundEverybodysRangesInBothFiles) {
    EXPECT_EQ(free_subid_range(space("a:100000:65536\n", "a:100000:65536\n")),
              (model::IdRange{165536, 65536}));
    EXPECT_EQ(free_subid_range(space("a:100000:65536\n", "b:165536:65536\n")),
              (model::IdRange{231072, 65536}));
    EXPECT_EQ(free_subid_range(space("a:165536:65536\nb:110000:10\n", "")),
              (model::IdRange{231072, 65536}));
    EXPECT_EQ(free_subid_range(space("a:100000:10\nb:100005:20:x\n# c:100025:9\ngarbage\n", "")),
              (model::IdRange{100025, 65536}));
}

TEST(SubidAdvice, TakesTheLargestRunOfANestedNamespace) {
    SubidSpace nested = space("root:100000:65536\n", "");
    nested.uid = 0;
    nested.gid = 0;
    nested.uid_map = {{0, 1000, 1}, {1, 100000, 60000}};
    nested.gid_map = {{0, 1000, 1}, {1, 100000, 50000}};
    EXPECT_EQ(free_subid_range(nested), (model::IdRange{1, 50000}));
    nested.gid_map = {{0, 1000, 1}};
    EXPECT_EQ(free_subid_range(nested), std::nullopt);
}

TEST(SubidAdvice, HasNothingWhereAllIsTaken) {
    EXPECT_EQ(free_subid_range(space("a:0:4294967295\n", "")), std::nullopt);
    EXPECT_EQ(free_subid_range({}), std::nullopt);
}

TEST(Remedies, QuoteForTheShell) {
    EXPECT_EQ(shell_word("/usr/bin/new-uid_map.x"), "/usr/bin/new-uid_map.x");
    EXPECT_EQ(shell_word(""), "''");
    EXPECT_EQ(shell_word("a b"), "'a b'");
    EXPECT_EQ(shell_word("o'n$x"), "'o'\\''n$x'");
    EXPECT_EQ(shell_word("a,b"), "a,b");
}

class FactsTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "rk-facts-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    void put(const std::string& path, std::string_view text, mode_t mode = 0644) {
        const std::string full = root_ + path;
        std::filesystem::create_directories(std::filesystem::path(full).parent_path());
        ASSERT_TRUE(sys::write_file_at(sys::FdRef(AT_FDCWD), full, text, mode));
        ASSERT_EQ(::chmod(full.c_str(), mode), 0);
    }
    void link(const std::string& path, const std::string& target) {
        const std::string full = root_ + path;
        std::filesystem::create_directories(std::filesystem::path(full).parent_path());
        std::filesystem::create_symlink(target, full);
    }
    Facts gather(const Failure& failure = {}) {
        FactsRequest request;
        request.user = "alice";
        request.environment.set("PATH", root_ + "/bin");
        request.root = root_;
        return gather_facts(failure, request);
    }

    std::string root_;
};

TEST_F(FactsTest, NothingThereIsNoError) {
    const Facts facts = gather();
    EXPECT_EQ(facts.uid, ::geteuid());
    EXPECT_FALSE(facts.unprivileged_userns_clone);
    EXPECT_FALSE(facts.apparmor_restrict_userns);
    EXPECT_THAT(facts.limits, IsEmpty());
    EXPECT_FALSE(facts.user_namespaces);
    EXPECT_TRUE(facts.initial_user_namespace);
    EXPECT_FALSE(facts.chrooted);
    EXPECT_FALSE(facts.container);
    EXPECT_EQ(facts.apparmor_label, "");
    EXPECT_EQ(facts.newuidmap.path, "");
    EXPECT_FALSE(facts.has_subuids);
    EXPECT_EQ(facts.distribution, wire::Distribution::kOther);
}

TEST_F(FactsTest, ReadsSwitchesAndLimits) {
    put("/proc/sys/kernel/unprivileged_userns_clone", "0\n");
    put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    put("/proc/sys/user/max_user_namespaces", "7\n");
    put("/proc/sys/user/max_net_namespaces", "nonsense\n");
    const Facts facts = gather();
    EXPECT_EQ(facts.unprivileged_userns_clone, 0U);
    EXPECT_EQ(facts.apparmor_restrict_userns, 1U);
    ASSERT_EQ(facts.limits.size(), 1U);
    EXPECT_EQ(facts.limits[0].name, "user");
    EXPECT_EQ(facts.limits[0].value, 7U);
}

TEST_F(FactsTest, ReadsLabelsOfParentAndChild) {
    put("/proc/self/attr/apparmor/current", "unconfined\n");
    put("/proc/4711/attr/apparmor/current",
        std::string_view("unprivileged_userns (enforce)\n\0", 31));
    Failure failure;
    failure.child = 4711;
    const Facts facts = gather(failure);
    EXPECT_EQ(facts.apparmor_label, "unconfined");
    EXPECT_EQ(facts.child_apparmor_label, "unprivileged_userns (enforce)");
}

TEST_F(FactsTest, ALabelOfSelinuxIsNotAppArmors) {
    put("/proc/self/attr/current", "unconfined_u:unconfined_r:unconfined_t:s0\n");
    EXPECT_EQ(gather().apparmor_label, "");
    put("/sys/module/apparmor/parameters/enabled", "Y\n");
    put("/proc/self/attr/current", "snap.x (complain)\n");
    EXPECT_EQ(gather().apparmor_label, "snap.x (complain)");
}

TEST_F(FactsTest, KnowsANestedNamespaceByItsInode) {
    link("/proc/self/ns/user", "user:[4026531837]");
    EXPECT_TRUE(gather().initial_user_namespace);
    EXPECT_TRUE(gather().user_namespaces);
    std::filesystem::remove(root_ + "/proc/self/ns/user");
    link("/proc/self/ns/user", "user:[4026532222]");
    put("/proc/self/uid_map", "0 1000 1\n");
    EXPECT_FALSE(gather().initial_user_namespace);
    EXPECT_EQ(gather().uid_map, (model::IdMap{{0, 1000, 1}}));
}

TEST_F(FactsTest, KnowsAChrootByItsMountinfo) {
    put("/proc/self/mountinfo", "85 83 0:21 / /proc rw,relatime - proc proc rw\n");
    EXPECT_TRUE(gather().chrooted);
    put("/proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
    EXPECT_FALSE(gather().chrooted);
}

TEST_F(FactsTest, FindsHelpersAndTheirMode) {
    put("/bin/newuidmap", "x", 04755);
    put("/bin/newgidmap", "x", 0755);
    const Facts facts = gather();
    EXPECT_EQ(facts.newuidmap.path, root_ + "/bin/newuidmap");
    EXPECT_TRUE(facts.newuidmap.setuid);
    EXPECT_EQ(facts.newuidmap.owner, ::getuid());
    EXPECT_FALSE(facts.newuidmap.capabilities);
    EXPECT_FALSE(facts.newgidmap.setuid);
}

TEST_F(FactsTest, ReadsSubidsAndPasswd) {
    put("/etc/subuid", "bob:100000:65536\nalice:165536:65536\n");
    put("/etc/subgid", "bob:100000:65536\n");
    put("/etc/nsswitch.conf", "subid: sss\n");
    put("/etc/passwd",
        "alice:x:" + std::to_string(::getuid()) + ":4242:Alice:/home/alice:/bin/sh\n");
    put("/etc/os-release", "ID=fedora\n");
    put("/proc/self/uid_map", "0 0 4294967295\n");
    put("/proc/self/gid_map", "0 0 4294967295\n");
    const Facts facts = gather();
    EXPECT_TRUE(facts.has_subuids);
    EXPECT_FALSE(facts.has_subgids);
    EXPECT_TRUE(facts.subid_service);
    EXPECT_EQ(facts.primary_gid, gid_t{4242});
    EXPECT_EQ(facts.free_subids, (model::IdRange{231072, 65536}));
    EXPECT_EQ(facts.namespace_subids, (model::IdRange{100000, 65536}));
    EXPECT_EQ(facts.distribution, wire::Distribution::kFedora);
}

TEST_F(FactsTest, KnowsContainersByTheirMarks) {
    put("/run/.containerenv", "");
    link("/proc/self/ns/pid", "pid:[4026532333]");
    link("/proc/self/ns/cgroup", "cgroup:[4026531835]");
    EXPECT_TRUE(gather().container);
}

TEST_F(FactsTest, AVirtualMachineFromAContainersImageIsNoContainer) {
    put("/.dockerenv", "");
    link("/proc/self/ns/pid", "pid:[4026531836]");
    link("/proc/self/ns/cgroup", "cgroup:[4026531835]");
    EXPECT_FALSE(gather().container);
}

PreflightFacts sound_machine() {
    return {.uid = 1000,
            .unprivileged_userns_clone = {},
            .max_user_namespaces = "96365\n",
            .mountinfo = "27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n"};
}

TEST(Preflight, SaysNothingOnASoundMachine) {
    EXPECT_THAT(preflight_warnings(sound_machine(), model::Propagation::kRprivate), IsEmpty());
    EXPECT_THAT(preflight_warnings(sound_machine(), model::Propagation::kRslave), IsEmpty());
}

TEST(Preflight, WarnsOfEverythingAtOnce) {
    PreflightFacts facts;
    facts.unprivileged_userns_clone = "0\n";
    facts.max_user_namespaces = "0\n";
    facts.mountinfo = "27 1 254:0 / / rw master:3 - ext4 /dev/vda rw\n";
    EXPECT_THAT(preflight_warnings(facts, model::Propagation::kRshared),
                ElementsAre("Running RootlessKit as the root user is unsupported.",
                            "/proc/sys/kernel/unprivileged_userns_clone needs to be set to 1.",
                            "/proc/sys/user/max_user_namespaces needs to be set to non-zero.",
                            "The host root filesystem is mounted as \"master:3\". Setting child "
                            "propagation to \"rshared\" is not supported."));
}

TEST(Preflight, WarnsOfALowLimitAndOfGarbage) {
    PreflightFacts facts = sound_machine();
    facts.max_user_namespaces = "1023\n";
    facts.unprivileged_userns_clone = "no\n";
    facts.mountinfo = "garbage";
    EXPECT_THAT(preflight_warnings(facts, model::Propagation::kSlave),
                ElementsAre("Failed to parse /proc/sys/kernel/unprivileged_userns_clone (\"no\")",
                            "/proc/sys/user/max_user_namespaces=1023 may be low. Consider setting "
                            "to >= 1024.",
                            "Failed to parse mountinfo"));
}

TEST(Preflight, GathersNoMountinfoForPrivatePropagation) {
    EXPECT_FALSE(gather_preflight(model::Propagation::kPrivate).mountinfo);
    EXPECT_TRUE(gather_preflight(model::Propagation::kShared).mountinfo);
}

}  // namespace
}  // namespace rk::doctor
