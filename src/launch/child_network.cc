// SPDX-License-Identifier: Apache-2.0
#include "launch/child_network.h"

#include "ns/interface_config.h"
#include "ns/network_namespace.h"
#include "ns/resolver_files.h"

#include <algorithm>
#include <utility>

namespace rk::launch {

namespace {

// By name, as the original: only what is mounted on /etc itself makes its entries ours.
ns::EtcDirectory etc_after(const model::Options& options) {
    const bool copied =
        std::find(options.copy_up.begin(), options.copy_up.end(), "/etc") != options.copy_up.end();
    return copied ? ns::EtcDirectory::kCopiedUp : ns::EtcDirectory::kHosts;
}

Result<void> configure(const model::NetworkSetup& setup, const model::Options& options,
                       const std::string& state_dir) {
    if (!setup.configured_by_child) {
        return {};
    }
    return options.detach_netns ? ns::configure_interface_in(state_dir + "/netns", setup)
                                : ns::configure_interface(setup);
}

Result<std::unique_ptr<drivers::DhcpKeeper>> ask_dhcp_server(const model::NetworkSetup& setup,
                                                             const model::Options& options,
                                                             const std::string& state_dir,
                                                             const Logger& log) {
    drivers::DhcpKeeper::Plan plan{.setup = setup, .netns = {}, .state_dir = state_dir};
    if (options.detach_netns) {
        plan.netns = TRY(ns::open_network_namespace(state_dir + "/netns"));
    }
    return drivers::DhcpKeeper::acquire(std::move(plan), log);
}

}  // namespace

Result<std::unique_ptr<drivers::DhcpKeeper>> set_up_child_network(const model::NetworkSetup& setup,
                                                                  const model::Options& options,
                                                                  const std::string& state_dir,
                                                                  const Logger& log) {
    std::unique_ptr<drivers::DhcpKeeper> keeper;
    if (setup.dhcp) {
        keeper = TRY(ask_dhcp_server(setup, options, state_dir, log));
    } else {
        TRY(configure(setup, options, state_dir));
    }
    TRY(ns::write_resolver_files(state_dir, keeper ? keeper->setup().dns : setup.dns));
    if (!options.detach_netns) {
        TRY(ns::mount_resolver_files(state_dir, etc_after(options), log));
    }
    return keeper;
}

}  // namespace rk::launch
