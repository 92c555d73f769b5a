// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: getsubids(1) answers from the source nsswitch.conf names for "subid", and
// that is nearly always the two files. "auto" therefore reads the files itself and starts getsubids
// only where it can know more: another source is named, or the user chose a program of their own
// with $GETSUBIDS. Both ways give the same ranges in the same order (getsubids 4.13 prints a name's
// and its uid's lines in file order).
#include "ns/subid_source.h"

#include "base/text.h"
#include "ns/getsubids.h"
#include "sys/file.h"
#include "wire/nsswitch.h"
#include "wire/subid_file.h"

namespace rk::ns {

namespace {

using FoundRanges = std::vector<model::SourcedRange>;

bool getsubids_can_matter(const sys::Environment& environment, const AccountFiles& files) {
    if (!environment.get("GETSUBIDS").value_or("").empty()) {
        return true;
    }
    const auto nsswitch = sys::read_file(files.nsswitch);
    return nsswitch && wire::names_other_subid_source(*nsswitch);
}

Result<FoundRanges> from_file(const std::string& path, std::string_view kind,
                              const UserIdentity& user, const Logger& log) {
    const std::string text = TRY(sys::read_file(path));
    wire::SubidLines lines =
        wire::parse_subid_file(text, path, wire::SubidOwner{.name = user.name, .uid = user.uid});
    for (const std::string& warning : lines.warnings) {
        log.warn("{}", warning);
    }
    if (lines.ranges.empty()) {
        return fail("No {} ranges found for user {} ({})", kind, user.uid, quote(user.name));
    }
    return std::move(lines.ranges);
}

Result<FoundSubids> from_files(const UserIdentity& user, const Logger& log,
                               const AccountFiles& files) {
    FoundSubids found;
    found.uids = TRY(from_file(files.subuid, "subuid", user, log));
    found.gids = TRY(from_file(files.subgid, "subgid", user, log));
    return found;
}

Result<FoundSubids> from_best_source(const UserIdentity& user, const sys::Environment& environment,
                                     const Logger& log, const AccountFiles& files) {
    if (!getsubids_can_matter(environment, files)) {
        return from_files(user, log, files);
    }
    auto found = run_getsubids(user, environment, log);
    if (found && !found->uids.empty() && !found->gids.empty()) {
        return found;
    }
    log.debug(R"(subid source "dynamic" gave nothing, using "static": {})",
              found ? "no ranges for UIDs or for GIDs" : found.error().message);
    return from_files(user, log, files);
}

Result<FoundSubids> find_ranges(model::SubidSource source, const UserIdentity& user,
                                const sys::Environment& environment, const Logger& log,
                                const AccountFiles& files) {
    switch (source) {
        case model::SubidSource::kAuto:
            return from_best_source(user, environment, log, files);
        case model::SubidSource::kDynamic:
            return run_getsubids(user, environment, log);
        case model::SubidSource::kStatic:
            return from_files(user, log, files);
        case model::SubidSource::kNone:
            break;
    }
    return FoundSubids{};
}

std::vector<model::IdRange> normalise(std::string_view kind, std::uint32_t own_id,
                                      const FoundRanges& found, const Logger& log) {
    model::NormalisedRanges normalised = model::normalise_ranges(kind, own_id, found);
    for (const std::string& warning : normalised.warnings) {
        log.warn("{}", warning);
    }
    return std::move(normalised.ranges);
}

}  // namespace

Result<SubidRanges> compute_subid_ranges(model::SubidSource source, const UserIdentity& user,
                                         const sys::Environment& environment, const Logger& log,
                                         const AccountFiles& files) {
    const FoundSubids found = TRY_CTX(find_ranges(source, user, environment, log, files),
                                      "failed to setup UID/GID map: failed to compute uid/gid map");
    return SubidRanges{.uids = normalise("UID", user.uid, found.uids, log),
                       .gids = normalise("GID", user.gid, found.gids, log)};
}

}  // namespace rk::ns
