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

}  // namespace
}  // namespace rk::doctor
