// SPDX-License-Identifier: Apache-2.0
//
// What of the slirp4netns driver is pure: which options the installed version has, and the command
// line.
#pragma once

#include "base/result.h"
#include "model/network_setup.h"
#include "model/options.h"

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace rk::drivers {

/// What a slirp4netns can do, by its own --help.
struct Slirp4netnsFeatures {
    bool netns_type = false;  // since 0.4.0, the oldest that is supported
    bool ipv6 = false;
    bool cidr = false;
    bool disable_host_loopback = false;
    bool api_socket = false;
    bool sandbox = false;
    bool seccomp = false;
};

[[nodiscard]] Slirp4netnsFeatures parse_slirp4netns_help(std::string_view text);

/// Whom a slirp4netns is to serve, and what is known about it.
struct Slirp4netnsRequest {
    const model::Options& options;
    const model::NetworkSetup& setup;
    Slirp4netnsFeatures features;
    bool kernel_seccomp = false;
    std::string program;  // as argument 0
    pid_t child = 0;
    std::string detached_netns;  // "" or a path in the child's mount namespace
    std::string api_socket;      // "" = none
};

/// The command line; descriptor 3 is for its word that it is ready. Error: something was asked for
/// that this version or the kernel lacks.
[[nodiscard]] Result<std::vector<std::string>> slirp4netns_command(
    const Slirp4netnsRequest& request);

}  // namespace rk::drivers
