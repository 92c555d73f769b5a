// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: slirp4netns(1) and vpnkit are ordinary programs without privilege. They are
// missing, or something else under that name, or older than what was asked of them. What they say
// of themselves decides, as it is quoted in our error. There is always another way: the builtin
// network needs no program.
#include "doctor/remedies.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace rk::doctor::rules {

namespace {

constexpr std::string_view kInstead = "use --net=builtin, which needs no program";

bool about_a_helper(const Failure& failure) {
    return failure.program == kSlirp4netns || failure.program == kVpnkit;
}

template <std::size_t N>
bool says_any(const Failure& failure, const std::array<std::string_view, N>& texts) {
    return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
        return failure.output.find(text) != std::string::npos;
    });
}

std::string get_it(const Failure& failure, const Facts& facts) {
    if (failure.program == kVpnkit) {
        return fmt::format(
            "name it by --vpnkit-binary (distributions have no package of it), or {}", kInstead);
    }
    return fmt::format("{}; or {}", install_package(facts.distribution, kSlirp4netns, kSlirp4netns),
                       kInstead);
}

}  // namespace

Answer net_helper_missing(const Failure& failure, const Facts& facts) {
    if (!about_a_helper(failure) || !facts.network_program.path.empty()) {
        return std::nullopt;
    }
    Diagnosis diagnosis;
    diagnosis.cause = failure.target.find('/') == std::string::npos
                          ? fmt::format("there is no {} in $PATH", failure.target)
                          : fmt::format("there is no program {}", failure.target);
    diagnosis.remedy = get_it(failure, facts);
    if (const std::string& elsewhere = facts.network_program.elsewhere; !elsewhere.empty()) {
        diagnosis.cause += fmt::format(", though there is {}", elsewhere);
        diagnosis.remedy = fmt::format("--{}-binary={}", failure.program, shell_word(elsewhere));
    }
    return diagnosis;
}

Answer net_helper_other_program(const Failure& failure, const Facts& facts) {
    constexpr std::array<std::string_view, 2> kTexts = {" --help\" failed",
                                                        "what answers there is not vpnkit"};
    if (!about_a_helper(failure) || !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} is not {}, or cannot run on this machine",
                                          facts.network_program.path, failure.program),
                     .remedy = get_it(failure, facts),
                     .block = {}};
}

Answer net_helper_too_old(const Failure& failure, const Facts& facts) {
    constexpr std::array<std::string_view, 3> kTexts = {
        "seems older than v0.4.0", "this version of slirp4netns does not support",
        "unsupported slirp4netns version"};
    if (!about_a_helper(failure) || !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} is too old for what was asked, or not slirp4netns",
                                          facts.network_program.path),
                     .remedy = fmt::format("install slirp4netns 1.0 or newer; or {}", kInstead),
                     .block = {}};
}

Answer net_helper_gave_up(const Failure& failure, const Facts& /*facts*/) {
    constexpr std::array<std::string_view, 4> kTexts = {"ended before it was ready", "vpnkit ended",
                                                        "did not get ready in time", "timed out"};
    if (!about_a_helper(failure) || !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} itself gave up, or hangs; what it said is quoted above",
                             failure.program),
        .remedy = fmt::format(
            "repeat with --debug, which shows its command line and all it says; or {}", kInstead),
        .block = {}};
}

}  // namespace rk::doctor::rules
