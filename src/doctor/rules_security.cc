// SPDX-License-Identifier: Apache-2.0
#include "doctor/remedies.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>

#include <linux/capability.h>

namespace rk::doctor::rules {

namespace {

// Ubuntu's profile for unconfined programs that create a user namespace: it denies capabilities.
constexpr std::string_view kStrippingProfile = "unprivileged_userns";

bool is_unconfined(std::string_view label) {
    return label.empty() || label == "unconfined" || label.ends_with(" (unconfined)");
}

bool restricted_by_apparmor(const Facts& facts) {
    return facts.apparmor_restrict_userns.value_or(0) != 0 && is_unconfined(facts.apparmor_label) &&
           !have_capability(facts, CAP_SYS_ADMIN);
}

Diagnosis install_profile(std::string cause, const Facts& facts) {
    return {.cause = std::move(cause),
            .remedy = "install an AppArmor profile for it:",
            .block = apparmor_profile_block(facts.executable)};
}

bool has_seccomp_filter(const Facts& facts) {
    return facts.status.seccomp_mode.value_or(0) != 0;
}

}  // namespace

bool have_capability(const Facts& facts, unsigned capability) {
    const auto& set = facts.status.effective_capabilities;
    return set && wire::has_capability(*set, capability);
}

bool capability_out_of_bounds(const Facts& facts, unsigned capability) {
    const auto& set = facts.status.bounding_capabilities;
    return set && !wire::has_capability(*set, capability);
}

bool refused(const Failure& failure) {
    return failure.code == EPERM || failure.code == EACCES;
}

Answer apparmor_forbids_userns(const Failure& failure, const Facts& facts) {
    if (!refused(failure) || !restricted_by_apparmor(facts)) {
        return std::nullopt;
    }
    return install_profile(fmt::format("AppArmor forbids {} to create user namespaces "
                                       "(kernel.apparmor_restrict_unprivileged_userns={})",
                                       facts.executable, *facts.apparmor_restrict_userns),
                           facts);
}

// Ubuntu 23.10 and later: where the profile above is loaded, the namespace is created, and the
// child finds itself confined and without the use of the capabilities its status still shows.
Answer apparmor_strips_capabilities(const Failure& failure, const Facts& facts) {
    const bool was_refused = refused(failure) || failure.stage == Stage::kGainCapabilities;
    const bool stripped = facts.child_apparmor_label.starts_with(kStrippingProfile) ||
                          (facts.child_apparmor_label.empty() && restricted_by_apparmor(facts));
    if (!was_refused || !stripped) {
        return std::nullopt;
    }
    return install_profile(
        fmt::format("AppArmor lets {} create a user namespace but takes its capabilities away "
                    "(profile {})",
                    facts.executable, kStrippingProfile),
        facts);
}

// AppArmor answers EACCES, seccomp filters nearly always EPERM; with both at hand (Docker's
// defaults) that tells them apart.
Answer apparmor_profile(const Failure& failure, const Facts& facts) {
    const bool likely =
        failure.code == EACCES || (failure.code == EPERM && !has_seccomp_filter(facts));
    if (!likely || is_unconfined(facts.apparmor_label)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause =
            fmt::format("this program runs under the AppArmor profile {}, which forbids {}",
                        facts.apparmor_label,
                        failure.stage == Stage::kCreateNamespaces ? "user namespaces" : "mounts"),
        .remedy = facts.container
                      ? "start the container with --security-opt apparmor=unconfined"
                      : "allow it in that profile (rules \"userns,\" and \"mount,\"), or start the "
                        "program from an unconfined one",
        .block = {}};
}

Answer seccomp(const Failure& failure, const Facts& facts) {
    const bool filtered = has_seccomp_filter(facts) && (refused(failure) || failure.code == ENOSYS);
    if (!filtered && failure.signal != SIGSYS) {
        return std::nullopt;
    }
    Diagnosis diagnosis;
    if (facts.container) {
        diagnosis.cause = "the container's seccomp filter refuses the system call";
        diagnosis.remedy =
            "start the container with --security-opt seccomp=unconfined (Kubernetes: "
            "seccompProfile.type: Unconfined)";
    } else {
        diagnosis.cause = "a seccomp filter that this program inherited refuses the system call";
        diagnosis.remedy =
            "start it outside of that sandbox; in a systemd unit set RestrictNamespaces=no and an "
            "empty SystemCallFilter=";
    }
    return diagnosis;
}

// prctl(2), PR_SET_NO_NEW_PRIVS: execve ignores setuid bits and file capabilities, for good and for
// all descendants.
Answer no_new_privs(const Failure& failure, const Facts& facts) {
    if (!facts.status.no_new_privs.value_or(false) ||
        (failure.stage == Stage::kMapIds && !helper_had_to_gain_privilege(failure, facts))) {
        return std::nullopt;
    }
    const std::string who = failure.program.empty() ? "a program" : failure.program;
    return Diagnosis{
        .cause = fmt::format("no_new_privs is set for this process, so {} gains no privilege", who),
        .remedy = facts.container
                      ? "start the container without --security-opt no-new-privileges "
                        "(Kubernetes: allowPrivilegeEscalation: true)"
                      : "start it from a process without no_new_privs; in a systemd unit set "
                        "NoNewPrivileges=no and drop the settings that imply it (systemd.exec(5))",
        .block = {}};
}

// A new procfs or sysfs may show no more than the mounted ones do (mount_namespaces(7)); container
// managers cover parts of both.
Answer masked_by_container(const Failure& failure, const Facts& facts) {
    const bool covered = failure.target == "/proc" || failure.target == "/sys";
    if (failure.code != EPERM || !facts.container || !covered) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("the container covers parts of {}, so the kernel refuses to mount a "
                             "new one",
                             failure.target),
        .remedy =
            "start the container with --security-opt systempaths=unconfined (Kubernetes: "
            "procMount: Unmasked)",
        .block = {}};
}

}  // namespace rk::doctor::rules
