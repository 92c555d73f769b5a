// SPDX-License-Identifier: Apache-2.0
//
// What of the pasta driver is pure: which options the installed version has, and the command line.
#pragma once

#include "base/result.h"
#include "model/network_setup.h"
#include "model/options.h"

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace rk::drivers {

/// What a pasta can do, by its own --help. The first three are what no start is possible without.
struct PastaFeatures {
    bool config_net = false;
    bool foreground = false;
    bool pid_file = false;
    bool stderr_option = false;  // where it is missing, messages go there in the foreground anyway
    bool no_map_gw = false;
    bool forward_outbound = false;  // --tcp-ns, --udp-ns
    bool host_lo_to_ns_lo = false;  // since 2024_10_30
    bool control_socket = false;    // --conf-path, since 2026_05_07
};

[[nodiscard]] PastaFeatures parse_pasta_help(std::string_view text);

/// Whom a pasta is to serve, and what is known about it.
struct PastaRequest {
    const model::Options& options;
    const model::NetworkSetup& setup;
    PastaFeatures features;
    std::string program;  // as argument 0, by which it knows that it is not passt
    pid_t child = 0;
    std::string detached_netns;  // "" or a path in the child's mount namespace
    std::string ready_fifo;
    std::string control_socket;  // "" = none
    bool as_root = false;
};

/// The command line. Error: something was asked for that this version lacks.
[[nodiscard]] Result<std::vector<std::string>> pasta_command(const PastaRequest& request);

}  // namespace rk::drivers
