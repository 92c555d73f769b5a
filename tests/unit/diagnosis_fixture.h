// SPDX-License-Identifier: Apache-2.0
//
// Facts as they were found on real machines, and the comparison with the texts in
// golden/diagnosis/NAME.txt (RK_UPDATE_GOLDEN=1 writes them anew: read the difference before you
// commit it).
#pragma once

#include "doctor/diagnosis.h"
#include "sys/file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <linux/capability.h>

namespace rk::doctor {

constexpr std::uint64_t kAllCapabilities = 0x1ffffffffff;
// CapBnd in a container started by Docker with its defaults.
constexpr std::uint64_t kContainerCapabilities = 0xa80425fb;

/// Debian, user "alice" with sub-IDs, everything as it should be.
inline Facts sound_facts() {
    Facts facts;
    facts.user = "alice";
    facts.uid = 1000;
    facts.gid = 1000;
    facts.primary_gid = 1000;
    facts.executable = "/usr/bin/rootlesskit";
    for (const char* name : {"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"}) {
        facts.limits.push_back({name, 96365});
    }
    facts.status = {.no_new_privs = false,
                    .seccomp_mode = 0,
                    .effective_capabilities = 0,
                    .bounding_capabilities = kAllCapabilities};
    facts.uid_map = {{.inside = 0, .outside = 0, .length = UINT32_MAX}};
    facts.gid_map = facts.uid_map;
    facts.newuidmap.path = "/usr/bin/newuidmap";
    facts.newuidmap.setuid = true;
    facts.newgidmap = facts.newuidmap;
    facts.newgidmap.path = "/usr/bin/newgidmap";
    facts.has_subuids = true;
    facts.has_subgids = true;
    facts.free_subids = model::IdRange{.start = 165536, .length = 65536};
    facts.namespace_subids = model::IdRange{.start = 100000, .length = 65536};
    facts.distribution = wire::Distribution::kDebian;
    return facts;
}

/// The same in a container with Docker's default seccomp filter and capability set.
inline Facts container_facts() {
    Facts facts = sound_facts();
    facts.container = true;
    facts.status.seccomp_mode = 2;
    facts.status.bounding_capabilities = kContainerCapabilities;
    return facts;
}

/// Root of `unshare --map-root-user --map-auto` on that machine; newuidmap's owner is not mapped.
inline Facts nested_facts() {
    Facts facts = sound_facts();
    facts.user = "root";
    facts.uid = 0;
    facts.gid = 0;
    facts.primary_gid = 0;
    facts.status.effective_capabilities = kAllCapabilities;
    facts.initial_user_namespace = false;
    facts.uid_map = {{.inside = 0, .outside = 1000, .length = 1},
                     {.inside = 1, .outside = 100000, .length = 65536}};
    facts.gid_map = facts.uid_map;
    facts.newuidmap.owner = 65534;
    facts.newgidmap.owner = 65534;
    facts.namespace_subids = model::IdRange{.start = 1, .length = 65536};
    facts.free_subids = facts.namespace_subids;
    return facts;
}

inline Failure failure_at(Stage stage, int code) {
    Failure failure;
    failure.stage = stage;
    failure.code = code;
    return failure;
}

/// newuidmap (or newgidmap) without privilege.
inline Failure helper_failure(std::string program = "newuidmap") {
    Failure failure = failure_at(Stage::kMapIds, EPERM);
    failure.output = program + ": write to uid_map failed: Operation not permitted\n";
    failure.program = std::move(program);
    failure.uid_map = {{.inside = 0, .outside = 1000, .length = 1},
                       {.inside = 1, .outside = 100000, .length = 65536}};
    failure.gid_map = failure.uid_map;
    return failure;
}

/// Expects the rule to answer, with the text of golden/diagnosis/NAME.txt.
inline void expect_golden(std::string_view name, std::string_view rule, const Failure& failure,
                          const Facts& facts) {
    const Diagnosis diagnosis = diagnose(failure, facts);
    EXPECT_EQ(diagnosis.rule, rule);
    const std::string path =
        fmt::format("{}/tests/unit/golden/diagnosis/{}.txt", RK_TEST_SOURCE_DIR, name);
    if (std::getenv("RK_UPDATE_GOLDEN") != nullptr) {
        ASSERT_TRUE(sys::write_file_at(sys::FdRef(AT_FDCWD), path, render(diagnosis), 0644));
    }
    const auto golden = sys::read_file(path);
    ASSERT_TRUE(golden.has_value()) << golden.error().message;
    EXPECT_EQ(render(diagnosis), *golden);
    EXPECT_TRUE(diagnosis.block.empty() || diagnosis.block.back() == '\n');
}

}  // namespace rk::doctor
