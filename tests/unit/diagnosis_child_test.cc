// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <array>
#include <csignal>

#include <unistd.h>

#include "diagnosis_fixture.h"

namespace rk::doctor {
namespace {

Failure mount_failure(int code) {
    return failure_at(Stage::kSetUpChild, code);
}

Facts ubuntu_facts() {
    Facts facts = sound_facts();
    facts.distribution = wire::Distribution::kUbuntu;
    facts.apparmor_restrict_userns = 1;
    facts.apparmor_label = "unconfined";
    return facts;
}

TEST(DiagnosisChild, AppArmorStripsCapabilities) {
    Facts facts = ubuntu_facts();
    facts.child_apparmor_label = "unprivileged_userns (enforce)";
    expect_golden("apparmor-capabilities", "apparmor-capabilities", mount_failure(EACCES), facts);
    expect_golden("apparmor-capabilities", "apparmor-capabilities",
                  failure_at(Stage::kGainCapabilities, 0), facts);
}

TEST(DiagnosisChild, AppArmorStripsCapabilitiesOfAChildThatIsGone) {
    expect_golden("apparmor-capabilities", "apparmor-capabilities", mount_failure(EPERM),
                  ubuntu_facts());
}

TEST(DiagnosisChild, AProfileOfOurOwnIsNotToBlame) {
    Facts facts = ubuntu_facts();
    facts.child_apparmor_label = "rootlesskit (unconfined)";
    EXPECT_EQ(diagnose(mount_failure(EPERM), facts).rule, "unknown");
}

TEST(DiagnosisChild, NoNewPrivsTakesCapabilities) {
    Facts facts = sound_facts();
    facts.status.no_new_privs = true;
    expect_golden("no-new-privs-child", "no-new-privs", failure_at(Stage::kGainCapabilities, 0),
                  facts);
}

TEST(DiagnosisChild, DockersAppArmorProfileForbidsMount) {
    Facts facts = container_facts();
    facts.apparmor_label = "docker-default (enforce)";
    expect_golden("apparmor-container", "apparmor-profile", mount_failure(EACCES), facts);
}

TEST(DiagnosisChild, DockersSeccompFilterForbidsMount) {
    Facts facts = container_facts();
    facts.apparmor_label = "docker-default (enforce)";
    EXPECT_EQ(diagnose(mount_failure(EPERM), facts).rule, "seccomp");
}

TEST(DiagnosisChild, KilledByASeccompFilter) {
    Failure failure = mount_failure(0);
    failure.signal = SIGSYS;
    Facts facts = sound_facts();
    facts.status.seccomp_mode = 2;
    expect_golden("seccomp", "seccomp", failure, facts);
}

TEST(DiagnosisChild, ProcIsMasked) {
    Facts facts = container_facts();
    facts.status.seccomp_mode = 0;
    Failure failure = mount_failure(EPERM);
    failure.target = "/proc";
    expect_golden("masked-by-container", "masked-by-container", failure, facts);
}

TEST(DiagnosisChild, NothingExplainsIt) {
    expect_golden("unknown-child", "unknown", mount_failure(EINVAL), sound_facts());
}

TEST(DiagnosisChild, PrintIsRenderThroughALogger) {
    Facts facts = ubuntu_facts();
    const Diagnosis diagnosis = diagnose(mount_failure(EACCES), facts);
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const sys::Fd reader(ends[0]);
    sys::Fd writer(ends[1]);
    print(Logger({.id = "parent", .debug = false, .fd = writer.number(), .terminal = false}),
          diagnosis);
    writer.reset();
    EXPECT_EQ(sys::read_all(reader, "pipe").value(), render(diagnosis));
}

}  // namespace
}  // namespace rk::doctor
