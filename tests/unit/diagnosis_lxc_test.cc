// SPDX-License-Identifier: Apache-2.0
#include "diagnosis_fixture.h"

namespace rk::doctor {
namespace {

Facts lxc_facts() {
    Facts facts = sound_facts();
    facts.lxc.program.path = "/usr/libexec/lxc/lxc-user-nic";
    facts.lxc.program.setuid = true;
    facts.lxc.bridge_exists = true;
    facts.lxc.grant = wire::UsernetGrant::kToUser;
    return facts;
}

Failure lxc_failure(std::string output = "", int code = 0) {
    Failure failure = failure_at(Stage::kSetUpNetwork, code);
    failure.program = kLxcUserNic;
    failure.target = "/usr/libexec/lxc/lxc-user-nic";
    failure.bridge = "lxcbr0";
    failure.output = std::move(output);
    return failure;
}

TEST(DiagnosisLxc, ItIsNotInstalled) {
    Facts facts = lxc_facts();
    facts.lxc.program = {};
    expect_golden("lxc-missing", "lxc-missing", lxc_failure("", ENOENT), facts);
    Failure nowhere = lxc_failure("", ENOENT);
    nowhere.target.clear();
    facts.distribution = wire::Distribution::kArch;
    expect_golden("lxc-missing-arch", "lxc-missing", nowhere, facts);
}

TEST(DiagnosisLxc, ItGainsNoPrivilege) {
    Facts facts = lxc_facts();
    facts.lxc.program.setuid = false;
    expect_golden("lxc-not-setuid", "lxc-unprivileged", lxc_failure(), facts);
    facts.lxc.program.nosuid = true;
    expect_golden("lxc-nosuid", "lxc-unprivileged", lxc_failure(), facts);
    facts = lxc_facts();
    facts.status.no_new_privs = true;
    expect_golden("lxc-no-new-privs", "no-new-privs", lxc_failure(), facts);
}

TEST(DiagnosisLxc, NoPrivilegeIsAdvisedForOtherPrograms) {
    Facts facts = lxc_facts();
    facts.lxc.program.path = "/bin/false";
    facts.lxc.program.setuid = false;
    EXPECT_EQ(diagnose(lxc_failure(), facts).rule, "unknown");
}

TEST(DiagnosisLxc, ThereIsNoBridge) {
    Facts facts = lxc_facts();
    facts.lxc.bridge_exists = false;
    expect_golden("lxc-no-bridge", "lxc-bridge-missing", lxc_failure(), facts);
    Failure other = lxc_failure();
    other.bridge = "br 0";
    expect_golden("lxc-no-bridge-other", "lxc-bridge-missing", other, facts);
}

TEST(DiagnosisLxc, TheUserMayNot) {
    Facts facts = lxc_facts();
    facts.lxc.grant = wire::UsernetGrant::kNone;
    expect_golden("lxc-not-granted", "lxc-not-granted", lxc_failure("Quota reached"), facts);
    facts.lxc.grant = wire::UsernetGrant::kToGroup;
    expect_golden("lxc-not-granted", "lxc-not-granted", lxc_failure("Quota reached"), facts);
    EXPECT_EQ(diagnose(lxc_failure("something else"), facts).rule, "unknown");
    facts.lxc.grant = wire::UsernetGrant::kToUser;
    expect_golden("lxc-quota", "lxc-quota", lxc_failure("Quota reached"), facts);
}

TEST(DiagnosisLxc, NobodyGivesAddresses) {
    expect_golden("lxc-no-dhcp", "lxc-no-dhcp", lxc_failure("", ETIMEDOUT), lxc_facts());
    Failure other = lxc_failure("", ETIMEDOUT);
    other.bridge = "br0";
    expect_golden("lxc-no-dhcp-other", "lxc-no-dhcp", other, lxc_facts());
}

}  // namespace
}  // namespace rk::doctor
