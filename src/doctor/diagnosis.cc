// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: a failed step leaves a Failure (which step, which errno); only then the
// machine is asked for its Facts; and the first rule of the table below that accounts for both is
// the answer. The order carries the knowledge. Within a step, what makes every other cause moot
// comes first (a range that our own namespace lacks cannot be mapped by any newuidmap, setuid or
// not), what can be seen in a file comes before what is concluded from an errno, and causes that
// only explain an errno when nothing else does (seccomp: any filter can return any errno) come
// last. Each rule is proved by an experiment or, for AppArmor, by golden facts; a rule that guesses
// is worse than the honest last row.
#include "doctor/diagnosis.h"

#include "base/error.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <array>

namespace rk::doctor {

namespace {

struct Rule {
    Stage stage;
    std::string_view name;
    rules::Answer (*answer)(const Failure&, const Facts&);
};

constexpr std::array kRules = {
    Rule{Stage::kCreateNamespaces, "process-limit", rules::process_limit},
    Rule{Stage::kCreateNamespaces, "no-user-namespaces", rules::no_user_namespaces},
    Rule{Stage::kCreateNamespaces, "limit-zero", rules::limit_zero},
    Rule{Stage::kCreateNamespaces, "limit-outside", rules::limit_outside},
    Rule{Stage::kCreateNamespaces, "limit-used-up", rules::limit_used_up},
    Rule{Stage::kCreateNamespaces, "unprivileged-userns-clone", rules::unprivileged_userns_clone},
    Rule{Stage::kCreateNamespaces, "apparmor-userns", rules::apparmor_forbids_userns},
    Rule{Stage::kCreateNamespaces, "own-id-not-mapped", rules::own_id_not_mapped},
    Rule{Stage::kCreateNamespaces, "chroot", rules::chrooted},
    Rule{Stage::kCreateNamespaces, "apparmor-profile", rules::apparmor_profile},
    Rule{Stage::kCreateNamespaces, "seccomp", rules::seccomp},

    Rule{Stage::kFindSubids, "getsubids-timeout", rules::getsubids_timeout},
    Rule{Stage::kFindSubids, "subids-impossible", rules::subids_impossible},
    Rule{Stage::kFindSubids, "helper-owner-not-mapped", rules::helper_owner_not_mapped},
    Rule{Stage::kFindSubids, "subid-service", rules::subid_service},
    Rule{Stage::kFindSubids, "subids-missing", rules::subids_missing},

    Rule{Stage::kMapIds, "helper-timeout", rules::helper_timeout},
    Rule{Stage::kMapIds, "helper-missing", rules::helper_missing},
    Rule{Stage::kMapIds, "range-not-in-namespace", rules::range_not_in_namespace},
    Rule{Stage::kMapIds, "range-not-granted", rules::range_not_granted},
    Rule{Stage::kMapIds, "helper-other-group", rules::helper_other_group},
    Rule{Stage::kMapIds, "no-new-privs", rules::no_new_privs},
    Rule{Stage::kMapIds, "helper-nosuid", rules::helper_nosuid},
    Rule{Stage::kMapIds, "helper-owner-not-mapped", rules::helper_owner_not_mapped},
    Rule{Stage::kMapIds, "helper-wrong-owner", rules::helper_wrong_owner},
    Rule{Stage::kMapIds, "helper-wrong-capability", rules::helper_wrong_capability},
    Rule{Stage::kMapIds, "helper-unprivileged", rules::helper_unprivileged},
    Rule{Stage::kMapIds, "helper-capability-forbidden", rules::helper_capability_forbidden},
    Rule{Stage::kMapIds, "helper-needs-sys-admin", rules::helper_needs_sys_admin},

    Rule{Stage::kGainCapabilities, "apparmor-capabilities", rules::apparmor_strips_capabilities},
    Rule{Stage::kGainCapabilities, "no-new-privs", rules::no_new_privs},

    Rule{Stage::kSetUpNetwork, "builtin-without-veth", rules::builtin_without_veth},
    Rule{Stage::kSetUpNetwork, "builtin-without-tproxy", rules::builtin_without_tproxy},
    Rule{Stage::kSetUpNetwork, "builtin-failed", rules::builtin_failed},
    Rule{Stage::kSetUpNetwork, "lxc-missing", rules::lxc_missing},
    Rule{Stage::kSetUpNetwork, "lxc-no-dhcp", rules::lxc_no_dhcp},
    Rule{Stage::kSetUpNetwork, "no-new-privs", rules::lxc_no_new_privs},
    Rule{Stage::kSetUpNetwork, "lxc-unprivileged", rules::lxc_unprivileged},
    Rule{Stage::kSetUpNetwork, "lxc-bridge-missing", rules::lxc_bridge_missing},
    Rule{Stage::kSetUpNetwork, "lxc-not-granted", rules::lxc_not_granted},
    Rule{Stage::kSetUpNetwork, "lxc-quota", rules::lxc_quota},
    Rule{Stage::kSetUpNetwork, "pasta-missing", rules::pasta_missing},
    Rule{Stage::kSetUpNetwork, "pasta-no-pasta", rules::pasta_no_pasta},
    Rule{Stage::kSetUpNetwork, "pasta-too-old", rules::pasta_too_old},
    Rule{Stage::kSetUpNetwork, "net-helper-missing", rules::net_helper_missing},
    Rule{Stage::kSetUpNetwork, "net-helper-other-program", rules::net_helper_other_program},
    Rule{Stage::kSetUpNetwork, "net-helper-too-old", rules::net_helper_too_old},
    Rule{Stage::kSetUpNetwork, "tun-missing", rules::tun_missing},
    Rule{Stage::kSetUpNetwork, "tun-forbidden", rules::tun_forbidden},
    Rule{Stage::kSetUpNetwork, "pasta-apparmor", rules::pasta_apparmor},
    Rule{Stage::kSetUpNetwork, "pasta-gave-up", rules::pasta_gave_up},
    Rule{Stage::kSetUpNetwork, "net-helper-gave-up", rules::net_helper_gave_up},
    Rule{Stage::kSetUpNetwork, "seccomp", rules::seccomp},

    Rule{Stage::kSetUpChild, "apparmor-capabilities", rules::apparmor_strips_capabilities},
    Rule{Stage::kSetUpChild, "limit-zero", rules::limit_zero},
    Rule{Stage::kSetUpChild, "apparmor-profile", rules::apparmor_profile},
    Rule{Stage::kSetUpChild, "seccomp", rules::seccomp},
    Rule{Stage::kSetUpChild, "masked-by-container", rules::masked_by_container},
};

std::string_view stage_words(Stage stage) {
    switch (stage) {
        case Stage::kCreateNamespaces:
            return "creating the namespaces";
        case Stage::kFindSubids:
            return "finding the subordinate IDs";
        case Stage::kMapIds:
            return "mapping the IDs";
        case Stage::kGainCapabilities:
            return "gaining capabilities in the namespace";
        case Stage::kSetUpNetwork:
            return "setting up the network";
        case Stage::kSetUpChild:
            return "setting up the namespaces from inside";
    }
    return "setting up";
}

std::string number_or_none(const std::optional<std::uint64_t>& value) {
    return value ? fmt::format("{}", *value) : "none";
}

Diagnosis unknown(const Failure& failure, const Facts& facts) {
    const std::string why = failure.signal != 0
                                ? fmt::format(" (signal: {})", signal_text(failure.signal))
                            : failure.code != 0 ? fmt::format(" ({})", errno_text(failure.code))
                                                : "";
    const auto yes_no = [](bool value) { return value ? "yes" : "no"; };
    Diagnosis diagnosis;
    diagnosis.cause =
        fmt::format("not found; {} failed{}, and nothing that was checked explains it",
                    stage_words(failure.stage), why);
    diagnosis.remedy =
        "repeat with --debug, and read what the kernel logged at that moment (sudo dmesg | tail)";
    diagnosis.block = fmt::format(
        "    checked: kernel.unprivileged_userns_clone={}, user.max_user_namespaces={},\n"
        "    kernel.apparmor_restrict_unprivileged_userns={}, AppArmor label {}, no_new_privs={},\n"
        "    seccomp mode {}, initial user namespace: {}, container: {}, newuidmap {}, newgidmap "
        "{}\n",
        number_or_none(facts.unprivileged_userns_clone),
        facts.limits.empty() ? "none" : fmt::format("{}", facts.limits.front().value),
        number_or_none(facts.apparmor_restrict_userns),
        facts.apparmor_label.empty() ? "none" : facts.apparmor_label,
        facts.status.no_new_privs.value_or(false) ? 1 : 0, facts.status.seccomp_mode.value_or(0),
        yes_no(facts.initial_user_namespace), yes_no(facts.container),
        facts.newuidmap.path.empty() ? "not found" : facts.newuidmap.path,
        facts.newgidmap.path.empty() ? "not found" : facts.newgidmap.path);
    diagnosis.rule = kUnknownRule;
    return diagnosis;
}

}  // namespace

Diagnosis diagnose(const Failure& failure, const Facts& facts) {
    for (const Rule& rule : kRules) {
        if (rule.stage != failure.stage) {
            continue;
        }
        if (auto answer = rule.answer(failure, facts)) {
            answer->rule = rule.name;
            return *std::move(answer);
        }
    }
    return unknown(failure, facts);
}

std::string render(const Diagnosis& diagnosis) {
    return fmt::format("[rootlesskit:parent] cause: {}\n[rootlesskit:parent] remedy: {}\n{}",
                       diagnosis.cause, diagnosis.remedy, diagnosis.block);
}

void print(const Logger& log, const Diagnosis& diagnosis) {
    log.plain("cause", diagnosis.cause);
    std::string remedy = diagnosis.remedy;
    if (!diagnosis.block.empty()) {
        // plain() ends the line itself
        remedy += '\n' + diagnosis.block.substr(0, diagnosis.block.size() - 1);
    }
    log.plain("remedy", remedy);
}

}  // namespace rk::doctor
