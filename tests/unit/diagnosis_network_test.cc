// SPDX-License-Identifier: Apache-2.0
#include "diagnosis_fixture.h"

namespace rk::doctor {
namespace {

Failure tun_failure(int code) {
    return failure_at(Stage::kSetUpNetwork, code);
}

TEST(DiagnosisNetwork, ThereIsNoTun) {
    Facts facts = sound_facts();
    facts.tun_node = false;
    facts.tun_error = ENOENT;
    expect_golden("tun-missing", "tun-missing", tun_failure(ENOENT), facts);
    facts.container = true;
    expect_golden("tun-missing-container", "tun-missing", tun_failure(ENOENT), facts);
}

TEST(DiagnosisNetwork, TheNodeHasNoDriver) {
    Facts facts = sound_facts();
    facts.tun_error = ENODEV;
    expect_golden("tun-no-driver", "tun-missing", tun_failure(ENODEV), facts);
}

TEST(DiagnosisNetwork, TunIsForbidden) {
    Facts facts = sound_facts();
    facts.tun_error = EACCES;
    expect_golden("tun-forbidden", "tun-forbidden", tun_failure(EACCES), facts);
    facts.container = true;
    facts.tun_error = EPERM;
    expect_golden("tun-forbidden-container", "tun-forbidden", tun_failure(EPERM), facts);
}

TEST(DiagnosisNetwork, TheKernelLacksAPartOfTheBuiltinNetwork) {
    Failure failure = failure_at(Stage::kSetUpNetwork, EOPNOTSUPP);
    failure.program = kBuiltinNetwork;
    failure.target = kFeatureVeth;
    expect_golden("builtin-without-veth", "builtin-without-veth", failure, sound_facts());
    failure.target = kFeatureTproxy;
    failure.code = ENOENT;
    expect_golden("builtin-without-tproxy", "builtin-without-tproxy", failure, sound_facts());
    // What the features are there for was refused: never blamed on /dev/net/tun.
    failure.code = EPERM;
    Facts facts = sound_facts();
    facts.tun_node = false;
    expect_golden("builtin-failed", "builtin-failed", failure, facts);
}

Failure pasta_failure(std::string_view message, int code = 0) {
    Failure failure = failure_at(Stage::kSetUpNetwork, code);
    failure.program = kPasta;
    failure.target = "pasta";
    failure.output = message;
    return failure;
}

Facts with_pasta() {
    Facts facts = sound_facts();
    facts.network_program.path = "/usr/bin/pasta";
    return facts;
}

TEST(DiagnosisNetwork, PastaIsMissing) {
    Facts facts = sound_facts();
    Failure failure = pasta_failure("exec: \"pasta\": executable file not found in $PATH", ENOENT);
    expect_golden("pasta-missing", "pasta-missing", failure, facts);
    facts.network_program.elsewhere = "/usr/bin/pasta";
    expect_golden("pasta-elsewhere", "pasta-missing", failure, facts);
    facts.network_program.elsewhere.clear();
    facts.distribution = wire::Distribution::kOther;
    failure.target = "/opt/pasta";
    expect_golden("pasta-missing-path", "pasta-missing", failure, facts);
}

TEST(DiagnosisNetwork, PastaIsNoPasta) {
    expect_golden("pasta-no-pasta", "pasta-no-pasta",
                  pasta_failure("command \"/bin/false --help\" failed, make sure pasta is "
                                "installed: exit status 1"),
                  with_pasta());
}

TEST(DiagnosisNetwork, PastaIsTooOld) {
    expect_golden("pasta-too-old", "pasta-too-old",
                  pasta_failure("port driver \"pesto\" needs passt 2026_05_07 or newer"),
                  with_pasta());
}

TEST(DiagnosisNetwork, PastaUnderAppArmor) {
    Facts facts = with_pasta();
    const Failure failure = pasta_failure(
        "pasta ended before it was ready: exit status 1, having printed \"Couldn't open user "
        "namespace: Permission denied\"");
    expect_golden("pasta-gave-up", "pasta-gave-up", failure, facts);
    facts.apparmor_restrict_userns = 1;
    expect_golden("pasta-apparmor", "pasta-apparmor", failure, facts);
    facts.tun_node = false;
    facts.tun_error = ENOENT;
    expect_golden("pasta-without-tun", "tun-missing", failure, facts);
}

Failure helper_failure(std::string_view program, std::string_view message, int code = 0) {
    Failure failure = failure_at(Stage::kSetUpNetwork, code);
    failure.program = program;
    failure.target = program;
    failure.output = message;
    return failure;
}

TEST(DiagnosisNetwork, AHelperIsMissing) {
    constexpr std::string_view kMessage = "exec: \"x\": executable file not found in $PATH";
    Facts facts = sound_facts();
    Failure failure = helper_failure(kSlirp4netns, kMessage, ENOENT);
    expect_golden("slirp4netns-missing", "net-helper-missing", failure, facts);
    expect_golden("vpnkit-missing", "net-helper-missing", helper_failure(kVpnkit, kMessage), facts);
    facts.network_program.elsewhere = "/usr/sbin/slirp4netns";
    expect_golden("slirp4netns-elsewhere", "net-helper-missing", failure, facts);
    facts.network_program.elsewhere.clear();
    failure.target = "/opt/slirp4netns";
    expect_golden("slirp4netns-missing-path", "net-helper-missing", failure, facts);
}

TEST(DiagnosisNetwork, AHelperIsNotFit) {
    Facts facts = sound_facts();
    facts.network_program.path = "/bin/false";
    expect_golden("slirp4netns-other-program", "net-helper-other-program",
                  helper_failure(kSlirp4netns, "command \"/bin/false --help\" failed: exit 1"),
                  facts);
    expect_golden("vpnkit-other-program", "net-helper-other-program",
                  helper_failure(kVpnkit, "connect to vpnkit: what answers there is not vpnkit"),
                  facts);
    for (const char* message : {"slirp4netns seems older than v0.4.0",
                                "this version of slirp4netns does not support --enable-ipv6",
                                "unsupported slirp4netns version: lacks SupportsEnableSeccomp"}) {
        expect_golden("slirp4netns-too-old", "net-helper-too-old",
                      helper_failure(kSlirp4netns, message), facts);
    }
    expect_golden("slirp4netns-gave-up", "net-helper-gave-up",
                  helper_failure(kSlirp4netns, "slirp4netns did not get ready in time"), facts);
    expect_golden("vpnkit-gave-up", "net-helper-gave-up",
                  helper_failure(kVpnkit, "vpnkit ended: exit status 1"), facts);
    // Whatever else has no code: what it says has to do.
    EXPECT_EQ(diagnose(helper_failure(kSlirp4netns, "kernel doesn't support seccomp"), facts).rule,
              kUnknownRule);
}

}  // namespace
}  // namespace rk::doctor
