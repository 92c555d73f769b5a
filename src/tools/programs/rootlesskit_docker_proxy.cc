// SPDX-License-Identifier: Apache-2.0
//
// rootlesskit-docker-proxy: stands in for docker-proxy under rootless Docker before release 28.
#include "sys/environment.h"
#include "sys/signals.h"
#include "sys/standard_fds.h"
#include "tools/docker_proxy.h"

#include <csignal>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    rk::sys::open_missing_standard_fds();
    const sigset_t callers_mask = rk::sys::block_all_signals();
    // Ignored, it would reap the real proxy unseen (waitpid(2)).
    static_cast<void>(::signal(SIGCHLD, SIG_DFL));
    return rk::tools::run_docker_proxy(std::vector<std::string>(argv, argv + argc),
                                       rk::sys::Environment::of_process(), callers_mask);
}
