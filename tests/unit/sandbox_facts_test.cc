// SPDX-License-Identifier: Apache-2.0
#include "launch/sandbox_facts.h"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <unistd.h>

#include "namespace_child.h"

namespace rk::launch {
namespace {

using Facts = std::map<std::string, std::string>;

TEST(SandboxFacts, AreWhatTheKernelsFilesSay) {
    EXPECT_EQ(describe_sandbox("Name:\tx\nCapEff:\t0000000000003000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
                               "1 2 0:1 / / rw - tmpfs x rw\n"),
              (Facts{{"seccomp", "filter"},
                     {"capabilities", "net_admin net_raw"},
                     {"noNewPrivileges", "true"},
                     {"mounts", "1"}}));
    EXPECT_EQ(describe_sandbox("CapEff:\t0000000000000001\nNoNewPrivs:\t0\nSeccomp:\t0\n", ""),
              (Facts{{"seccomp", "off"},
                     {"capabilities", "0"},
                     {"noNewPrivileges", "false"},
                     {"mounts", "0"}}));
    EXPECT_EQ(describe_sandbox("CapEff:\t0000000000000000\n", ""),
              (Facts{{"seccomp", "unknown"},
                     {"capabilities", "none"},
                     {"noNewPrivileges", "unknown"},
                     {"mounts", "0"}}));
}

TEST(SandboxFacts, FollowTheProcess) {
    test::run_in_namespace(0, [](test::Report& report) {
        report.equal(sandbox_facts(::getpid()).at("noNewPrivileges"), "false", "before");
        report.expect(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "prctl");
        const Facts facts = sandbox_facts(::getpid());
        report.equal(facts.at("noNewPrivileges"), "true", "after");
        report.expect(facts.at("mounts") != "0", "there are mounts");
    });
}

TEST(SandboxFacts, OfAProcessThatIsGoneAreUnknown) {
    const Facts facts = sandbox_facts(0x7fffffff);
    EXPECT_EQ(facts.at("seccomp"), "unknown");
    EXPECT_EQ(facts.at("capabilities"), "unknown");
    EXPECT_EQ(facts.at("mounts"), "unknown: no such file or directory");
}

}  // namespace
}  // namespace rk::launch
