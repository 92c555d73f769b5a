// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Every rule of the command line is checked here or in validate_network.cc, in the parent, before a
// state directory or a namespace exists: a mistake costs one line on stderr and leaves nothing
// behind. Of two mistakes the one the original reported first is reported, hence the order: first
// what its parent checked, then what only its child noticed. The child parses the same arguments
// again and comes to the same options.
#include "tools/validate.h"

#include "base/text.h"
#include "sys/file.h"
#include "tools/choice.h"
#include "tools/validate_network.h"

#include <array>
#include <utility>

namespace rk::tools {

namespace {

using model::Options;
using model::Propagation;
using model::ReaperMode;
using model::SubidSource;

constexpr auto kPropagations = std::to_array<Choice<Propagation>>({
    {"private", Propagation::kPrivate},
    {"rprivate", Propagation::kRprivate},
    {"slave", Propagation::kSlave},
    {"rslave", Propagation::kRslave},
    {"shared", Propagation::kShared},
    {"rshared", Propagation::kRshared},
});

constexpr auto kReaperModes = std::to_array<Choice<ReaperMode>>({
    {"auto", ReaperMode::kAuto},
    {"true", ReaperMode::kOn},
    {"false", ReaperMode::kOff},
});

constexpr auto kSubidSources = std::to_array<Choice<SubidSource>>({
    {"auto", SubidSource::kAuto},
    {"", SubidSource::kAuto},
    {"dynamic", SubidSource::kDynamic},
    {"static", SubidSource::kStatic},
    {"none", SubidSource::kNone},
});

// sun_path is 108 bytes with its final zero (unix(7)).
constexpr std::size_t kMaxSocketPath = 107;
constexpr std::string_view kLongestSocket = "/api.sock";
constexpr std::size_t kMaxStateDir = kMaxSocketPath - kLongestSocket.size();

Result<void> validate_evacuation(const FlagSet& flags, Options& options) {
    const std::string& group = flags.text("evacuate-cgroup2");
    if (group.empty()) {
        return {};
    }
    if (!options.cgroup_namespace) {
        return fail("evacuate-cgroup2 requires --cgroupns");
    }
    if (!options.pid_namespace) {
        return fail("evacuate-cgroup2 requires --pidns");
    }
    if (group.find('/') != std::string::npos) {
        return fail("evacuate-cgroup2 must be the name of a group without \"/\", got {}",
                    quote(group));
    }
    if (group == "." || group == "..") {
        return fail("evacuate-cgroup2 must be the name of a group, got {}", quote(group));
    }
    options.evacuate_cgroup2 = group;
    return {};
}

Result<void> validate_state_dir(const FlagSet& flags, Options& options) {
    const std::string& given = flags.text("state-dir");
    if (given.empty()) {
        return {};  // also --state-dir="$UNSET" of users' scripts: a temporary one
    }
    std::string path = TRY_CTX(sys::absolute_path(given), "make state-dir absolute");
    if (path.size() > kMaxStateDir) {
        return fail(
            "state-dir must be at most {} bytes long, got {} bytes: {}{} would not fit in the {} "
            "bytes of a socket's path",
            kMaxStateDir, path.size(), path, kLongestSocket, kMaxSocketPath);
    }
    options.state_dir = std::move(path);
    return {};
}

Result<void> validate_copy_up(const FlagSet& flags, Options& options) {
    for (const std::string& directory : flags.list("copy-up")) {
        if (directory.empty()) {
            return fail("copy-up must not be an empty path");
        }
        // "." or "../.." may be one of the two as well.
        const std::string absolute = TRY_CTX(sys::absolute_path(directory), "copy-up");
        if (absolute == "/" || absolute == "/tmp") {
            return fail("{} cannot be copied up", absolute);
        }
        options.copy_up.push_back(sys::clean_path(directory));
    }
    const std::string& mode = flags.text("copy-up-mode");
    if (mode != "tmpfs+symlink") {
        return fail("unknown copy-up mode: {}", mode);
    }
    return {};
}

Result<void> validate_propagation(const FlagSet& flags, Options& options) {
    const std::string& propagation = flags.text("propagation");
    const auto value = choose(kPropagations, propagation);
    if (!value) {
        return fail("unknown propagation: {}", propagation);
    }
    options.propagation = *value;
    const bool shared = *value == Propagation::kShared || *value == Propagation::kRshared;
    if (shared && !options.copy_up.empty()) {
        return fail("propagation {} does not support copy-up driver {}", propagation,
                    flags.text("copy-up-mode"));
    }
    return {};
}

Result<void> validate_reaper(const FlagSet& flags, Options& options) {
    const auto mode = choose(kReaperModes, flags.text("reaper"));
    if (!mode) {
        return fail("unknown reaper mode: {}", flags.text("reaper"));
    }
    options.reaper = *mode;
    return {};
}

Result<void> validate_subid_source(const FlagSet& flags, Options& options) {
    const auto source = choose(kSubidSources, flags.text("subid-source"));
    if (!source) {
        return fail(
            "failed to setup UID/GID map: failed to compute uid/gid map: unknown subid source {}",
            quote(flags.text("subid-source")));
    }
    options.subid_source = *source;
    return {};
}

// Flags that need no check, or whose check is up to others.
void take_plain_flags(const FlagSet& flags, Options& options) {
    options.debug = flags.boolean("debug");
    options.pid_namespace = flags.boolean("pidns");
    options.cgroup_namespace = flags.boolean("cgroupns");
    options.uts_namespace = flags.boolean("utsns");
    options.ipc_namespace = flags.boolean("ipcns");
    options.command = flags.arguments();
}

}  // namespace

Result<Validated> validate(const FlagSet& flags) {
    Validated validated;
    Options& options = validated.options;
    take_plain_flags(flags, options);
    if (options.command.empty()) {
        return fail("no command specified");
    }
    TRY(validate_evacuation(flags, options));
    TRY(validate_state_dir(flags, options));
    TRY(validate_network(flags, validated));
    TRY(validate_subid_source(flags, options));
    TRY(validate_reaper(flags, options));
    TRY(validate_copy_up(flags, options));
    TRY(validate_propagation(flags, options));
    return validated;
}

}  // namespace rk::tools
