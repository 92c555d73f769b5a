// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: four runs (UIDs and GIDs, each by name and by uid) at the same time, under
// one deadline. It is normal that one of a pair fails, by uid mostly ("Error fetching ranges").
#include "ns/getsubids.h"

#include "base/text.h"
#include "ns/helper_program.h"
#include "wire/getsubids_output.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace rk::ns {

namespace {

using FoundRanges = std::vector<model::SourcedRange>;

// For all four together. With kIdMapTime it stays below the 5 s in which an error must be told.
constexpr std::chrono::milliseconds kGetsubidsTime{1500};

// For an error line: a helper gone mad may have printed a lot.
std::string shortened(const std::string& text) {
    constexpr std::size_t kMaxShown = 1024;  // bytes
    return quote(std::string_view(text).substr(0, kMaxShown));
}

struct Run {
    std::vector<std::string> arguments;
    Result<sys::RunningProgram> program;

    Run(std::vector<std::string> words, const sys::Environment& environment)
        : arguments(std::move(words)), program(start_helper(arguments, environment)) {}
};

Result<FoundRanges> result_of(Run& run, sys::Deadline deadline, const Logger& log) {
    const std::string shown = join(run.arguments, " ");
    if (!run.program) {
        return fail("failed to exec [{}]: {}", shown, run.program.error().message);
    }
    const sys::ProgramOutcome outcome =
        TRY_CTX(run.program->wait(deadline), "failed to exec [{}]", shown);
    if (!outcome.success()) {
        return fail(Error{fmt::format("failed to exec [{}]: {} (stdout={}, stderr={})", shown,
                                      outcome.status_text(), shortened(outcome.standard_output),
                                      shortened(outcome.standard_error)),
                          outcome.timed_out ? ETIMEDOUT : 0});
    }
    wire::GetsubidsOutput output =
        TRY_CTX(wire::parse_getsubids_output(outcome.standard_output, shown),
                "failed to parse the result of [{}]", shown);
    for (const std::string& warning : output.warnings) {
        log.warn("Error while parsing the result of [{}]: {}", shown, warning);
    }
    return std::move(output.ranges);
}

void append_new(FoundRanges& all, FoundRanges more) {
    for (model::SourcedRange& found : more) {
        const bool known = std::ranges::any_of(
            all, [&](const model::SourcedRange& earlier) { return earlier.range == found.range; });
        if (!known) {
            all.push_back(std::move(found));
        }
    }
}

Result<FoundRanges> pair_result(Run& by_name, Run& by_uid, std::string_view kind,
                                const UserIdentity& user, sys::Deadline deadline,
                                const Logger& log) {
    auto named = result_of(by_name, deadline, log);
    auto numbered = result_of(by_uid, deadline, log);
    if (!named && !numbered) {
        // "subuids" the second time for both kinds: the text users know.
        return fail(Error{fmt::format("failed to get {} by the username {}: {}; also failed to get "
                                      "subuids by the UID {}: {}",
                                      kind, quote(user.name), named.error().message, user.uid,
                                      numbered.error().message),
                          named.error().code});
    }
    FoundRanges all;
    append_new(all, std::move(named).value_or(FoundRanges{}));
    append_new(all, std::move(numbered).value_or(FoundRanges{}));
    return all;
}

Result<FoundSubids> find(const std::string& program, const UserIdentity& user,
                         const sys::Environment& environment, const Logger& log) {
    // Looked up once here, so that a missing program is one error and not four.
    static_cast<void>(TRY(sys::look_up_program(program, environment.get("PATH").value_or(""))));
    const std::string uid = fmt::format("{}", user.uid);
    const sys::Deadline deadline = sys::Deadline::after(kGetsubidsTime);
    Run uids_by_name({program, user.name}, environment);
    Run uids_by_uid({program, uid}, environment);
    Run gids_by_name({program, "-g", user.name}, environment);
    Run gids_by_uid({program, "-g", uid}, environment);
    FoundSubids found;
    found.uids = TRY(pair_result(uids_by_name, uids_by_uid, "subuids", user, deadline, log));
    found.gids = TRY(pair_result(gids_by_name, gids_by_uid, "subgids", user, deadline, log));
    return found;
}

}  // namespace

Result<FoundSubids> run_getsubids(const UserIdentity& user, const sys::Environment& environment,
                                  const Logger& log) {
    std::string program(environment.get("GETSUBIDS").value_or(""));
    if (program.empty()) {
        program = "getsubids";
    }
    return TRY_CTX(find(program, user, environment, log), "subid-source:dynamic");
}

}  // namespace rk::ns
