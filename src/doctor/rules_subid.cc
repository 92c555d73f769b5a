// SPDX-License-Identifier: Apache-2.0
#include "doctor/remedies.h"
#include "doctor/rules.h"
#include "wire/id_map_file.h"

#include <fmt/format.h>

#include <cerrno>

namespace rk::doctor::rules {

namespace {

constexpr std::string_view kDoWithoutSubids =
    "start rootlesskit with --subid-source=none, which maps only the one ID";

std::string range_text(const model::IdRange& range) {
    return fmt::format("{}-{}", range.start, range.end() - 1);
}

// The first range of the map that was asked for which `accept` is true.
template <typename Accept>
std::optional<model::IdRange> find_requested(const Failure& failure, Accept accept) {
    const model::IdMap& map = is_gid_helper(failure) ? failure.gid_map : failure.uid_map;
    for (const model::IdMapEntry& entry : map) {
        const model::IdRange range{.start = entry.outside, .length = entry.length};
        if (accept(range)) {
            return range;
        }
    }
    return std::nullopt;
}

}  // namespace

// getsubids(1) only knows more than the files where nsswitch.conf names a service, so that is what
// it waits for.
Answer getsubids_timeout(const Failure& failure, const Facts& /*facts*/) {
    if (!failure.timed_out && failure.code != ETIMEDOUT) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause =
            "getsubids did not answer in time: the service behind the \"subid:\" line of "
            "/etc/nsswitch.conf hangs",
        .remedy = "make that service answer (for sss: sudo systemctl restart sssd)",
        .block = {}};
}

Answer subids_impossible(const Failure& /*failure*/, const Facts& facts) {
    if (facts.initial_user_namespace || facts.namespace_subids) {
        return std::nullopt;
    }
    return Diagnosis{.cause =
                         "the user namespace this runs in has no IDs to give away: it maps "
                         "too few itself (/proc/self/uid_map)",
                     .remedy = std::string(kDoWithoutSubids),
                     .block = {}};
}

Answer subid_service(const Failure& /*failure*/, const Facts& facts) {
    if (!facts.subid_service) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("the service behind the \"subid:\" line of /etc/nsswitch.conf has no "
                             "subordinate IDs for {}",
                             facts.user),
        .remedy = fmt::format("have 65536 user and group IDs given to {0} there; to check: "
                              "getsubids {1} && getsubids -g {1}",
                              facts.user, shell_word(facts.user)),
        .block = {}};
}

Answer subids_missing(const Failure& /*failure*/, const Facts& facts) {
    const MissingSubids missing{.uids = !facts.has_subuids, .gids = !facts.has_subgids};
    if (!missing.uids && !missing.gids) {
        return std::nullopt;
    }
    const std::string_view where = missing.uids && missing.gids ? "/etc/subuid and /etc/subgid"
                                   : missing.uids               ? "/etc/subuid"
                                                                : "/etc/subgid";
    Diagnosis diagnosis;
    diagnosis.cause = fmt::format("{} has no range in {}", facts.user, where);
    if (!facts.free_subids) {
        diagnosis.remedy = kDoWithoutSubids;
        return diagnosis;
    }
    diagnosis.remedy = add_subids({.user = facts.user,
                                   .distribution = facts.distribution,
                                   .nested = !facts.initial_user_namespace},
                                  *facts.free_subids, missing);
    return diagnosis;
}

Answer range_not_in_namespace(const Failure& failure, const Facts& facts) {
    const model::IdMap& own = is_gid_helper(failure) ? facts.gid_map : facts.uid_map;
    const auto missing = find_requested(
        failure, [&](const model::IdRange& range) { return !wire::covers(own, range); });
    if (own.empty() || !missing) {
        return std::nullopt;
    }
    const std::string_view kind = is_gid_helper(failure) ? "gid" : "uid";
    Diagnosis diagnosis;
    diagnosis.cause = fmt::format(
        "the user namespace this runs in has no IDs {}: they are not in "
        "its own map (/proc/self/{}_map)",
        range_text(*missing), kind);
    if (!facts.namespace_subids) {
        diagnosis.remedy = kDoWithoutSubids;
        return diagnosis;
    }
    diagnosis.remedy = fmt::format(
        "give {} a range that is in it, in an /etc of this namespace: echo {}:{}:{} | tee "
        "/etc/subuid /etc/subgid",
        facts.user, shell_word(facts.user), facts.namespace_subids->start,
        facts.namespace_subids->length);
    return diagnosis;
}

// The helper's exit status is 1 whatever happens; that it looked the range up and did not find it
// is only in what it prints ("uid range [1-65537) -> [100000-165536) not allowed", shadow 4.2
// to 4.16).
Answer range_not_granted(const Failure& failure, const Facts& facts) {
    if (failure.output.find("not allowed") == std::string::npos) {
        return std::nullopt;
    }
    const bool gids = is_gid_helper(failure);
    const auto range = find_requested(failure, [&](const model::IdRange& candidate) {
        return failure.output.find(fmt::format("[{}-{})", candidate.start, candidate.end())) !=
               std::string::npos;
    });
    if (!range) {
        return std::nullopt;
    }
    Diagnosis diagnosis;
    diagnosis.cause = fmt::format("{} finds no line that gives {} the IDs {}", failure.program,
                                  facts.user, range_text(*range));
    if (facts.subid_service) {
        diagnosis.cause += "; it asks the service that /etc/nsswitch.conf names for \"subid:\"";
        diagnosis.remedy = "start rootlesskit with --subid-source=dynamic";
        return diagnosis;
    }
    diagnosis.remedy = add_subids({.user = facts.user,
                                   .distribution = facts.distribution,
                                   .nested = !facts.initial_user_namespace},
                                  *range, {.uids = !gids, .gids = gids});
    return diagnosis;
}

}  // namespace rk::doctor::rules
