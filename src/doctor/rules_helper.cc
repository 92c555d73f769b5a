// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: newuidmap(1) may write a map with foreign IDs because it gains CAP_SETUID
// (or newgidmap CAP_SETGID) when it is executed, in one of two ways that fail differently:
//
// * setuid root: it runs as uid 0. As that is not the owner of the child's namespace, the kernel
//   wants CAP_SYS_ADMIN of it as well (user_namespaces(7)); containers withhold that.
// * file capability: it runs as the user, who owns the child's namespace; CAP_SETUID is enough.
//
// Both at once is the worst: uid 0, but only with the capabilities of the file. no_new_privs and a
// nosuid mount switch both ways off, the bounding set limits both.
#include "doctor/remedies.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <linux/capability.h>

namespace rk::doctor::rules {

namespace {

unsigned needed_capability(const Failure& failure) {
    return is_gid_helper(failure) ? CAP_SETGID : CAP_SETUID;
}

std::string_view needed_capability_name(const Failure& failure) {
    return is_gid_helper(failure) ? "cap_setgid" : "cap_setuid";
}

// Where only one of the two programs was found, its neighbour is the best guess for the other.
std::string path_or_name(const HelperFacts& facts, std::string_view name) {
    return facts.path.empty() ? fmt::format("/usr/bin/{}", name) : facts.path;
}

std::string restore_privilege(const Facts& facts) {
    return grant_helper_privilege(facts.distribution, path_or_name(facts.newuidmap, "newuidmap"),
                                  path_or_name(facts.newgidmap, "newgidmap"));
}

std::string file_capabilities_only(const Facts& facts) {
    return grant_file_capabilities(path_or_name(facts.newuidmap, "newuidmap"),
                                   path_or_name(facts.newgidmap, "newgidmap"));
}

}  // namespace

bool is_gid_helper(const Failure& failure) {
    return failure.program == "newgidmap";
}

const HelperFacts& helper(const Failure& failure, const Facts& facts) {
    return is_gid_helper(failure) ? facts.newgidmap : facts.newuidmap;
}

bool helper_had_to_gain_privilege(const Failure& failure, const Facts& facts) {
    // Root keeps its capabilities over execve; others lose theirs, whatever they have.
    const bool has_privilege = facts.uid == 0 && have_capability(facts, needed_capability(failure));
    return failure.stage == Stage::kMapIds && !failure.program.empty() && !failure.timed_out &&
           !has_privilege;
}

Answer helper_timeout(const Failure& failure, const Facts& facts) {
    if (!failure.timed_out) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} did not end in time: a name service of /etc/nsswitch.conf "
                             "(passwd, group or subid) keeps it waiting",
                             failure.program),
        .remedy = fmt::format("make that service answer (for sss: sudo systemctl restart sssd); to "
                              "check: time getent passwd {}",
                              shell_word(facts.user)),
        .block = {}};
}

Answer helper_missing(const Failure& failure, const Facts& facts) {
    if (failure.program.empty() || !helper(failure, facts).path.empty()) {
        return std::nullopt;
    }
    Diagnosis diagnosis;
    diagnosis.cause = fmt::format("there is no {} in $PATH", failure.program);
    diagnosis.remedy = install_id_map_programs(facts.distribution);
    if (const std::string& elsewhere = helper(failure, facts).elsewhere; !elsewhere.empty()) {
        diagnosis.cause += fmt::format(", though there is {}", elsewhere);
        diagnosis.remedy =
            fmt::format("export PATH=\"$PATH:{}\"", elsewhere.substr(0, elsewhere.rfind('/')));
    }
    return diagnosis;
}

// shadow up to 4.13 compares the process's group with the user's line in passwd(5); what it says is
// looked at too, because later versions do not.
Answer helper_other_group(const Failure& failure, const Facts& facts) {
    if (!facts.primary_gid || *facts.primary_gid == facts.gid ||
        failure.output.find("owned by a different user") == std::string::npos) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("this process runs with group ID {}, but {} only serves processes "
                             "with the primary group of {}, {}",
                             facts.gid, failure.program, facts.user, *facts.primary_gid),
        .remedy = "go back to the primary group first: newgrp",
        .block = {}};
}

Answer helper_nosuid(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    if (!program.nosuid || !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} is on a filesystem mounted nosuid, so it gains no privilege",
                             program.path),
        .remedy = fmt::format("sudo mount -o remount,suid \"$(findmnt -n -o TARGET -T {})\"",
                              shell_word(program.path)),
        .block = {}};
}

// Also where no sub-IDs were found: they would be of no use.
Answer helper_owner_not_mapped(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    const bool useless = failure.stage == Stage::kFindSubids
                             ? facts.uid != 0
                             : helper_had_to_gain_privilege(failure, facts);
    if (!program.setuid || program.owner == 0 || facts.initial_user_namespace || !useless) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("the owner of {} is not mapped in the user namespace this runs in, so "
                             "its setuid bit is ignored",
                             program.path),
        .remedy = "start rootlesskit there as uid 0, which needs no setuid program",
        .block = {}};
}

Answer helper_wrong_owner(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    if (!program.setuid || program.owner == 0 || !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} is setuid, but to user ID {} instead of root",
                                          program.path, program.owner),
                     .remedy = restore_privilege(facts),
                     .block = {}};
}

Answer helper_wrong_capability(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    if (program.setuid || !program.capabilities || !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    const bool grants =
        program.capabilities->effective &&
        wire::has_capability(program.capabilities->permitted, needed_capability(failure));
    if (grants) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} has file capabilities, but not {}=ep", program.path,
                                          needed_capability_name(failure)),
                     .remedy = file_capabilities_only(facts),
                     .block = {}};
}

Answer helper_unprivileged(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    if (program.setuid || program.capabilities || !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} is not setuid root and has no file capability {} either",
                             program.path, needed_capability_name(failure)),
        .remedy = restore_privilege(facts),
        .block = {}};
}

Answer helper_capability_forbidden(const Failure& failure, const Facts& facts) {
    if (!capability_out_of_bounds(facts, needed_capability(failure)) ||
        !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} is not in this process's capability bounding set, so {} cannot "
                             "gain it",
                             needed_capability_name(failure), failure.program),
        .remedy = facts.container ? "start the container with --cap-add SETUID --cap-add SETGID"
                                  : "start it with the full bounding set; in a systemd unit drop "
                                    "CapabilityBoundingSet=",
        .block = {}};
}

Answer helper_needs_sys_admin(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = helper(failure, facts);
    if (!program.setuid || !helper_had_to_gain_privilege(failure, facts)) {
        return std::nullopt;
    }
    const bool limited_by_file =
        program.capabilities &&
        !wire::has_capability(program.capabilities->permitted, CAP_SYS_ADMIN);
    if (!limited_by_file && !capability_out_of_bounds(facts, CAP_SYS_ADMIN)) {
        return std::nullopt;
    }
    const std::string_view why =
        limited_by_file ? "its file capabilities take that away from it"
                        : "it is not in this process's capability bounding set, as in most "
                          "containers";
    return Diagnosis{
        .cause = fmt::format("{} is setuid root and needs cap_sys_admin for that, but {}",
                             program.path, why),
        .remedy = file_capabilities_only(facts),
        .block = {}};
}

}  // namespace rk::doctor::rules
