// SPDX-License-Identifier: Apache-2.0
#include "doctor/preflight.h"

#include "base/text.h"
#include "sys/file.h"
#include "wire/mountinfo.h"

#include <fmt/format.h>

#include <string_view>

#include <unistd.h>

namespace rk::doctor {

namespace {

constexpr char kUsernsClonePath[] = "/proc/sys/kernel/unprivileged_userns_clone";
constexpr char kMaxUserNamespacesPath[] = "/proc/sys/user/max_user_namespaces";
constexpr char kMountinfoPath[] = "/proc/self/mountinfo";

// Fewer than this many user namespaces are soon used up by a container engine.
constexpr std::uint64_t kLowLimit = 1024;

std::optional<std::string> read_optional(const char* path) {
    auto text = sys::read_file(path);
    return text ? std::optional(*std::move(text)) : std::nullopt;
}

bool is_private(model::Propagation propagation) {
    return propagation == model::Propagation::kPrivate ||
           propagation == model::Propagation::kRprivate;
}

std::string_view word(model::Propagation propagation) {
    switch (propagation) {
        case model::Propagation::kPrivate:
            return "private";
        case model::Propagation::kRprivate:
            return "rprivate";
        case model::Propagation::kSlave:
            return "slave";
        case model::Propagation::kRslave:
            return "rslave";
        case model::Propagation::kShared:
            return "shared";
        case model::Propagation::kRshared:
            return "rshared";
    }
    return "";
}

// The value of a switch, or a warning that it is no number.
std::optional<std::uint64_t> read_switch(const std::optional<std::string>& text, const char* path,
                                         std::vector<std::string>& warnings) {
    if (!text) {
        return std::nullopt;
    }
    const auto value = parse_decimal(trim(*text));
    if (!value) {
        warnings.push_back(fmt::format("Failed to parse {} ({})", path, quote(trim(*text))));
    }
    return value;
}

void check_root_propagation(const PreflightFacts& facts, model::Propagation propagation,
                            std::vector<std::string>& warnings) {
    const auto table = wire::parse_mountinfo(facts.mountinfo.value_or(""));
    const wire::MountInfo* root = nullptr;
    for (const wire::MountInfo& mount : table.mounts) {
        if (mount.mount_point == "/") {
            root = &mount;  // the last one is the visible one
        }
    }
    if (root == nullptr) {
        warnings.emplace_back("Failed to parse mountinfo");
    } else if (!root->shared()) {
        warnings.push_back(
            fmt::format("The host root filesystem is mounted as {}. Setting child propagation to "
                        "{} is not supported.",
                        quote(join(root->optional_fields, " ")), quote(word(propagation))));
    }
}

}  // namespace

PreflightFacts gather_preflight(model::Propagation propagation) {
    PreflightFacts facts;
    facts.uid = ::geteuid();
    facts.unprivileged_userns_clone = read_optional(kUsernsClonePath);
    facts.max_user_namespaces = read_optional(kMaxUserNamespacesPath);
    if (!is_private(propagation)) {
        facts.mountinfo = read_optional(kMountinfoPath);
    }
    return facts;
}

std::vector<std::string> preflight_warnings(const PreflightFacts& facts,
                                            model::Propagation propagation) {
    std::vector<std::string> warnings;
    if (facts.uid == 0) {
        warnings.emplace_back("Running RootlessKit as the root user is unsupported.");
    }
    if (read_switch(facts.unprivileged_userns_clone, kUsernsClonePath, warnings) == 0U) {
        warnings.push_back(fmt::format("{} needs to be set to 1.", kUsernsClonePath));
    }
    const auto limit = read_switch(facts.max_user_namespaces, kMaxUserNamespacesPath, warnings);
    if (limit == 0U) {
        warnings.push_back(fmt::format("{} needs to be set to non-zero.", kMaxUserNamespacesPath));
    } else if (limit && *limit < kLowLimit) {
        warnings.push_back(fmt::format("{}={} may be low. Consider setting to >= {}.",
                                       kMaxUserNamespacesPath, *limit, kLowLimit));
    }
    if (!is_private(propagation)) {
        check_root_propagation(facts, propagation, warnings);
    }
    return warnings;
}

void preflight(const model::Options& options, const Logger& log) {
    const PreflightFacts facts = gather_preflight(options.propagation);
    for (const std::string& warning : preflight_warnings(facts, options.propagation)) {
        log.warn("{}", warning);
    }
}

}  // namespace rk::doctor
