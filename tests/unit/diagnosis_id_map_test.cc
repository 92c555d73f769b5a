// SPDX-License-Identifier: Apache-2.0
#include "diagnosis_fixture.h"

namespace rk::doctor {
namespace {

Failure subid_failure() {
    return failure_at(Stage::kFindSubids, 0);
}

Facts without_subids() {
    Facts facts = sound_facts();
    facts.has_subuids = false;
    facts.has_subgids = false;
    return facts;
}

wire::FileCapabilities granting(unsigned capability) {
    return {.permitted = std::uint64_t{1} << capability,
            .inheritable = 0,
            .effective = true,
            .root_id = {}};
}

Facts with_file_capabilities() {
    Facts facts = sound_facts();
    facts.newuidmap.setuid = false;
    facts.newuidmap.capabilities = granting(CAP_SETUID);
    facts.newgidmap.setuid = false;
    facts.newgidmap.capabilities = granting(CAP_SETGID);
    return facts;
}

TEST(DiagnosisSubids, Missing) {
    expect_golden("subids-missing", "subids-missing", subid_failure(), without_subids());
}

TEST(DiagnosisSubids, OnlyGroupsMissing) {
    Facts facts = without_subids();
    facts.has_subuids = true;
    expect_golden("subgids-missing", "subids-missing", subid_failure(), facts);
}

TEST(DiagnosisSubids, MissingOnAlpine) {
    Facts facts = without_subids();
    facts.distribution = wire::Distribution::kAlpine;
    expect_golden("subids-missing-alpine", "subids-missing", subid_failure(), facts);
}

TEST(DiagnosisSubids, MissingInANestedNamespace) {
    Facts facts = nested_facts();
    facts.has_subuids = false;
    facts.has_subgids = false;
    expect_golden("subids-missing-nested", "subids-missing", subid_failure(), facts);
}

TEST(DiagnosisSubids, MissingAndAllTaken) {
    Facts facts = without_subids();
    facts.free_subids.reset();
    expect_golden("subids-all-taken", "subids-missing", subid_failure(), facts);
}

TEST(DiagnosisSubids, ImpossibleInANamespaceOfOneId) {
    Facts facts = nested_facts();
    facts.has_subuids = false;
    facts.has_subgids = false;
    facts.namespace_subids.reset();
    facts.free_subids.reset();
    expect_golden("subids-impossible", "subids-impossible", subid_failure(), facts);
}

TEST(DiagnosisSubids, FromAService) {
    Facts facts = without_subids();
    facts.subid_service = true;
    expect_golden("subid-service", "subid-service", subid_failure(), facts);
}

TEST(DiagnosisSubids, ServiceHangs) {
    Failure failure = subid_failure();
    failure.timed_out = true;
    expect_golden("getsubids-timeout", "getsubids-timeout", failure, without_subids());
}

TEST(DiagnosisSubids, PresentButUnusable) {
    EXPECT_EQ(diagnose(subid_failure(), sound_facts()).rule, "unknown");
}

TEST(DiagnosisHelper, Missing) {
    Facts facts = sound_facts();
    facts.newuidmap = {};
    expect_golden("helper-missing", "helper-missing", helper_failure(), facts);
    facts.distribution = wire::Distribution::kFedora;
    expect_golden("helper-missing-fedora", "helper-missing", helper_failure(), facts);
    facts.distribution = wire::Distribution::kOther;
    expect_golden("helper-missing-other", "helper-missing", helper_failure(), facts);
    facts.newuidmap.elsewhere = "/usr/bin/newuidmap";
    expect_golden("helper-not-in-path", "helper-missing", helper_failure(), facts);
}

TEST(DiagnosisHelper, HangsOnANameService) {
    Failure failure = helper_failure("newgidmap");
    failure.timed_out = true;
    expect_golden("helper-timeout", "helper-timeout", failure, sound_facts());
}

TEST(DiagnosisHelper, RangeIsNotInOurNamespace) {
    Facts facts = nested_facts();
    expect_golden("range-not-in-namespace", "range-not-in-namespace", helper_failure(), facts);
    facts.namespace_subids.reset();
    expect_golden("range-not-in-namespace-one-id", "range-not-in-namespace",
                  helper_failure("newgidmap"), facts);
}

TEST(DiagnosisHelper, RangeIsNotGranted) {
    Failure failure = helper_failure();
    failure.code = 0;
    failure.output = "newuidmap: uid range [1-65537) -> [100000-165536) not allowed\n";
    Facts facts = sound_facts();
    expect_golden("range-not-granted", "range-not-granted", failure, facts);
    facts.subid_service = true;
    expect_golden("range-not-granted-service", "range-not-granted", failure, facts);
}

TEST(DiagnosisHelper, RunsWithAnotherGroup) {
    Failure failure = helper_failure();
    failure.code = 0;
    failure.output =
        "newuidmap: Target 123 is owned by a different user: uid:1000 pw_uid:1000 st_uid:1000, "
        "gid:5000 pw_gid:1000 st_gid:5000\n";
    Facts facts = sound_facts();
    facts.gid = 5000;
    expect_golden("helper-other-group", "helper-other-group", failure, facts);
}

TEST(DiagnosisHelper, NoNewPrivs) {
    Facts facts = sound_facts();
    facts.status.no_new_privs = true;
    expect_golden("no-new-privs", "no-new-privs", helper_failure(), facts);
    facts.container = true;
    expect_golden("no-new-privs-container", "no-new-privs", helper_failure(), facts);
}

TEST(DiagnosisHelper, NoNewPrivsDoesNotMatterToRoot) {
    Facts facts = nested_facts();
    facts.status.no_new_privs = true;
    Failure failure = helper_failure();
    failure.uid_map = {{.inside = 0, .outside = 0, .length = 1}};
    EXPECT_EQ(diagnose(failure, facts).rule, "unknown");
}

TEST(DiagnosisHelper, OnANosuidMount) {
    Facts facts = sound_facts();
    facts.newuidmap.nosuid = true;
    expect_golden("helper-nosuid", "helper-nosuid", helper_failure(), facts);
}

TEST(DiagnosisHelper, OwnerIsNotMapped) {
    Facts facts = nested_facts();
    facts.user = "alice";
    facts.uid = 1000;
    facts.gid = 1000;
    facts.status.effective_capabilities = 0;
    Failure failure = helper_failure();
    failure.uid_map = {{.inside = 0, .outside = 1000, .length = 1},
                       {.inside = 1, .outside = 2000, .length = 1000}};
    expect_golden("helper-owner-not-mapped", "helper-owner-not-mapped", failure, facts);
    facts.has_subuids = false;
    expect_golden("helper-owner-not-mapped", "helper-owner-not-mapped", subid_failure(), facts);
}

TEST(DiagnosisHelper, WrongOwner) {
    Facts facts = sound_facts();
    facts.newuidmap.owner = 1000;
    expect_golden("helper-wrong-owner", "helper-wrong-owner", helper_failure(), facts);
}

TEST(DiagnosisHelper, NotSetuid) {
    Facts facts = sound_facts();
    facts.newuidmap.setuid = false;
    expect_golden("helper-not-setuid", "helper-unprivileged", helper_failure(), facts);
}

TEST(DiagnosisHelper, WithoutFileCapability) {
    Facts facts = with_file_capabilities();
    facts.newgidmap.capabilities.reset();
    facts.distribution = wire::Distribution::kFedora;
    expect_golden("helper-without-capability", "helper-unprivileged", helper_failure("newgidmap"),
                  facts);
}

TEST(DiagnosisHelper, WrongFileCapability) {
    Facts facts = with_file_capabilities();
    facts.newuidmap.capabilities = granting(CAP_SETGID);
    expect_golden("helper-wrong-capability", "helper-wrong-capability", helper_failure(), facts);
    facts.newuidmap.capabilities = granting(CAP_SETUID);
    facts.newuidmap.capabilities->effective = false;
    expect_golden("helper-wrong-capability", "helper-wrong-capability", helper_failure(), facts);
}

TEST(DiagnosisHelper, SetuidAndFileCapability) {
    Facts facts = with_file_capabilities();
    facts.newuidmap.setuid = true;
    Failure failure = helper_failure();
    failure.code = EACCES;
    failure.output = "newuidmap: open of uid_map failed: Permission denied\n";
    expect_golden("helper-setuid-and-capability", "helper-needs-sys-admin", failure, facts);
}

TEST(DiagnosisHelper, SetuidInAContainer) {
    expect_golden("helper-container", "helper-needs-sys-admin", helper_failure(),
                  container_facts());
}

TEST(DiagnosisHelper, CapabilityIsForbidden) {
    Facts facts = with_file_capabilities();
    facts.status.bounding_capabilities = kAllCapabilities & ~(std::uint64_t{1} << CAP_SETUID);
    expect_golden("helper-capability-forbidden", "helper-capability-forbidden", helper_failure(),
                  facts);
    facts.container = true;
    expect_golden("helper-capability-forbidden-container", "helper-capability-forbidden",
                  helper_failure(), facts);
}

TEST(DiagnosisHelper, FileCapabilitiesInAContainerAreFine) {
    Facts facts = with_file_capabilities();
    facts.status.bounding_capabilities = kContainerCapabilities;
    EXPECT_EQ(diagnose(helper_failure(), facts).rule, "unknown");
}

}  // namespace
}  // namespace rk::doctor
