// SPDX-License-Identifier: Apache-2.0
#include "diagnosis_fixture.h"

namespace rk::doctor {
namespace {

Failure clone_failure(int code) {
    return failure_at(Stage::kCreateNamespaces, code);
}

Facts ubuntu_facts() {
    Facts facts = sound_facts();
    facts.distribution = wire::Distribution::kUbuntu;
    facts.apparmor_restrict_userns = 1;
    facts.apparmor_label = "unconfined";
    facts.executable = "/home/alice/bin/rootlesskit";
    return facts;
}

TEST(DiagnosisClone, ProcessLimit) {
    expect_golden("process-limit", "process-limit", clone_failure(EAGAIN), sound_facts());
}

TEST(DiagnosisClone, KernelWithoutUserNamespaces) {
    Facts facts = sound_facts();
    facts.user_namespaces = false;
    expect_golden("no-user-namespaces", "no-user-namespaces", clone_failure(EINVAL), facts);
}

TEST(DiagnosisClone, LimitOfUserNamespacesIsZero) {
    Facts facts = sound_facts();
    facts.limits[0].value = 0;
    expect_golden("limit-zero", "limit-zero", clone_failure(ENOSPC), facts);
}

TEST(DiagnosisClone, LimitOfAnotherKindIsZero) {
    Facts facts = sound_facts();
    facts.limits[3].value = 0;
    expect_golden("limit-zero-net", "limit-zero", clone_failure(ENOSPC), facts);
}

TEST(DiagnosisClone, LimitOfANestedNamespaceIsZero) {
    Facts facts = nested_facts();
    facts.limits[0].value = 0;
    expect_golden("limit-zero-nested", "limit-zero", clone_failure(ENOSPC), facts);
}

TEST(DiagnosisClone, LimitIsZeroInAContainer) {
    Facts facts = container_facts();
    facts.limits[0].value = 0;
    expect_golden("limit-zero-container", "limit-zero", clone_failure(ENOSPC), facts);
}

TEST(DiagnosisClone, LimitOfAnOuterNamespace) {
    Facts facts = nested_facts();
    facts.limits[0].value = INT32_MAX;
    expect_golden("limit-outside", "limit-outside", clone_failure(ENOSPC), facts);
}

TEST(DiagnosisClone, LimitIsUsedUp) {
    expect_golden("limit-used-up", "limit-used-up", clone_failure(ENOSPC), sound_facts());
}

TEST(DiagnosisClone, UnprivilegedUsernsCloneIsOff) {
    Facts facts = sound_facts();
    facts.unprivileged_userns_clone = 0;
    expect_golden("unprivileged-userns-clone", "unprivileged-userns-clone", clone_failure(EPERM),
                  facts);
}

TEST(DiagnosisClone, AppArmorForbidsUserNamespaces) {
    expect_golden("apparmor-userns", "apparmor-userns", clone_failure(EACCES), ubuntu_facts());
    expect_golden("apparmor-userns", "apparmor-userns", clone_failure(EPERM), ubuntu_facts());
}

TEST(DiagnosisClone, AppArmorProfileForAnAwkwardPath) {
    Facts facts = ubuntu_facts();
    facts.executable = "/home/o'neil/my bin/rootlesskit";
    expect_golden("apparmor-userns-quoting", "apparmor-userns", clone_failure(EACCES), facts);
}

TEST(DiagnosisClone, AppArmorDoesNotRestrictRoot) {
    Facts facts = ubuntu_facts();
    facts.status.effective_capabilities = kAllCapabilities;
    EXPECT_EQ(diagnose(clone_failure(EPERM), facts).rule, "unknown");
}

TEST(DiagnosisClone, AppArmorProfileOfThisProcess) {
    Facts facts = sound_facts();
    facts.apparmor_label = "/usr/bin/ci-runner (enforce)";
    expect_golden("apparmor-profile", "apparmor-profile", clone_failure(EACCES), facts);
}

TEST(DiagnosisClone, OwnIdIsNotMapped) {
    Facts facts = nested_facts();
    facts.uid = 1000;
    facts.gid = 65534;
    facts.uid_map = {{.inside = 1000, .outside = 1000, .length = 1}};
    facts.gid_map = {};
    expect_golden("own-id-not-mapped", "own-id-not-mapped", clone_failure(EPERM), facts);
}

TEST(DiagnosisClone, Chroot) {
    Facts facts = sound_facts();
    facts.chrooted = true;
    expect_golden("chroot", "chroot", clone_failure(EPERM), facts);
}

TEST(DiagnosisClone, SeccompOfAContainer) {
    expect_golden("seccomp-container", "seccomp", clone_failure(EPERM), container_facts());
    expect_golden("seccomp-container", "seccomp", clone_failure(ENOSYS), container_facts());
}

TEST(DiagnosisClone, SeccompOfAServiceManager) {
    Facts facts = sound_facts();
    facts.status.seccomp_mode = 2;
    expect_golden("seccomp", "seccomp", clone_failure(EPERM), facts);
}

TEST(DiagnosisClone, DockersProfileDoesNotForbidClone) {
    Facts facts = container_facts();
    facts.apparmor_label = "docker-default (enforce)";
    EXPECT_EQ(diagnose(clone_failure(EPERM), facts).rule, "seccomp");
}

TEST(DiagnosisClone, NothingExplainsIt) {
    expect_golden("unknown", "unknown", clone_failure(EPERM), sound_facts());
}

TEST(DiagnosisClone, NothingExplainsItAndNothingIsKnown) {
    expect_golden("unknown-no-facts", "unknown", clone_failure(0), Facts{});
}

}  // namespace
}  // namespace rk::doctor
