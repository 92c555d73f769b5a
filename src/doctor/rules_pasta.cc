// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: pasta(1) of passt is an ordinary program without privilege. It is missing,
// or older than what was asked of it, or AppArmor stops it: Ubuntu since 23.10 takes the
// capabilities from programs in a new user namespace that have no profile, and packages of passt
// without one were released. What pasta says of itself decides, as it is quoted in our error.
#include "doctor/remedies.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace rk::doctor::rules {

namespace {

constexpr std::string_view kPackage = "passt";

bool about_pasta(const Failure& failure) {
    return failure.program == kPasta;
}

template <std::size_t N>
bool says_any(const Failure& failure, const std::array<std::string_view, N>& texts) {
    return std::any_of(texts.begin(), texts.end(), [&](std::string_view text) {
        return failure.output.find(text) != std::string::npos;
    });
}

std::string install_passt(const Facts& facts) {
    return install_package(facts.distribution, kPackage, kPasta);
}

}  // namespace

Answer pasta_missing(const Failure& failure, const Facts& facts) {
    if (!about_pasta(failure) || !facts.network_program.path.empty()) {
        return std::nullopt;
    }
    Diagnosis diagnosis;
    diagnosis.cause = failure.target.find('/') == std::string::npos
                          ? fmt::format("there is no {} in $PATH", failure.target)
                          : fmt::format("there is no program {}", failure.target);
    diagnosis.remedy = install_passt(facts);
    if (const std::string& elsewhere = facts.network_program.elsewhere; !elsewhere.empty()) {
        diagnosis.cause += fmt::format(", though there is {}", elsewhere);
        diagnosis.remedy = fmt::format("--pasta-binary={}", shell_word(elsewhere));
    }
    return diagnosis;
}

Answer pasta_no_pasta(const Failure& failure, const Facts& facts) {
    constexpr std::array<std::string_view, 2> kTexts = {"make sure pasta is installed",
                                                        "it has no --config-net"};
    if (!about_pasta(failure) || !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} is not pasta, or cannot run on this machine",
                                          facts.network_program.path),
                     .remedy = fmt::format("{}, and give no other program by --pasta-binary",
                                           install_passt(facts)),
                     .block = {}};
}

Answer pasta_too_old(const Failure& failure, const Facts& facts) {
    constexpr std::array<std::string_view, 4> kTexts = {
        "older than 2023", "this version of pasta does not support", "needs passt 2026_05_07",
        "needs pesto of passt 2026_05_07"};
    if (!about_pasta(failure) || !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("{} is too old for what was asked", facts.network_program.path),
        .remedy =
            "install a newer passt; or, in the sources of rootlesskit, make passt, and name "
            "what it makes: --pasta-binary=DIRECTORY/pasta",
        .block = {}};
}

Answer pasta_apparmor(const Failure& failure, const Facts& facts) {
    constexpr std::array<std::string_view, 2> kTexts = {"ermission denied", "not permitted"};
    if (!about_pasta(failure) || facts.apparmor_restrict_userns.value_or(0) == 0 ||
        !says_any(failure, kTexts)) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("AppArmor does not let {} work in a user namespace "
                             "(kernel.apparmor_restrict_unprivileged_userns={})",
                             facts.network_program.path, *facts.apparmor_restrict_userns),
        .remedy = "install an AppArmor profile for it:",
        .block = apparmor_profile_block(facts.network_program.path)};
}

// Better than to look for causes elsewhere.
Answer pasta_gave_up(const Failure& failure, const Facts& /*facts*/) {
    if (!about_pasta(failure) || failure.code != 0) {
        return std::nullopt;
    }
    return Diagnosis{.cause = "pasta itself gave up; what it said is quoted above",
                     .remedy = "repeat with --debug, which shows its command line and all it says",
                     .block = {}};
}

}  // namespace rk::doctor::rules
