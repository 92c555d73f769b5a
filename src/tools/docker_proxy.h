// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// dockerd before release 28 starts one `rootlesskit-docker-proxy` for each published port, inside
// the namespace, as if it were its own docker-proxy, with the write end of a pipe as descriptor 3.
// We ask rootlesskit's API for the port on the host, then run the real docker-proxy on the address
// the port driver connects to, and keep it company: when it ends, or when we are told to end, the
// port goes, too. The real proxy inherits descriptor 3 and reports on it by itself ("0\n", or "1\n"
// and a text); we report only what goes wrong before it runs.
//
// Nothing of ours stays open meanwhile: one connection to the API for each port would take the
// places of other clients.
#pragma once

#include "api/service.h"
#include "base/result.h"
#include "model/port_spec.h"
#include "sys/environment.h"
#include "tools/flag_set.h"

#include <csignal>
#include <span>
#include <string>
#include <vector>

namespace rk::tools {

/// What dockerd asked for.
struct ProxyRequest {
    std::string container_ip;
    std::int64_t container_port = -1;
    std::string host_ip;
    std::int64_t host_port = -1;
    std::string proto = "tcp";
    bool use_listen_fd = false;  // newer docker-proxy: descriptor 4 is its listening socket
};

[[nodiscard]] std::span<const FlagDefinition> docker_proxy_flags();
[[nodiscard]] ProxyRequest proxy_request(const FlagSet& flags);
/// The text for wrong flags and for -h.
[[nodiscard]] std::string docker_proxy_usage();

/// What is to be done about a request.
struct ProxyPlan {
    enum class Action {
        kRunRealProxy,  // rootlesskit does not publish ports: become the real docker-proxy
        kIgnore,        // the driver cannot do this protocol: `warning`, and pretend success
        kPublish,       // ask for `spec`, then run the real proxy with `arguments`
    };
    Action action = Action::kRunRealProxy;
    std::string warning;
    model::PortFields spec;
    std::vector<std::string> arguments;  // without argv[0]
};
[[nodiscard]] Result<ProxyPlan> plan_proxy(const ProxyRequest& request, const api::Info& info);

/// Runs `rootlesskit-docker-proxy`, argv[0] included. `callers_mask` is the signal mask there was
/// before all signals were blocked. Returns the exit code.
[[nodiscard]] int run_docker_proxy(const std::vector<std::string>& argv,
                                   const sys::Environment& environment,
                                   const sigset_t& callers_mask);

}  // namespace rk::tools
