// SPDX-License-Identifier: Apache-2.0
#include "launch/child_network.h"

#include "ns/interface_config.h"
#include "ns/resolver_files.h"

#include <algorithm>

namespace rk::launch {

namespace {

// By name, as the original: only what is mounted on /etc itself makes its entries ours.
ns::EtcDirectory etc_after(const model::Options& options) {
    const bool copied =
        std::find(options.copy_up.begin(), options.copy_up.end(), "/etc") != options.copy_up.end();
    return copied ? ns::EtcDirectory::kCopiedUp : ns::EtcDirectory::kHosts;
}

}  // namespace

Result<void> set_up_child_network(const model::NetworkSetup& setup, const model::Options& options,
                                  const std::string& state_dir, const Logger& log) {
    TRY(ns::write_resolver_files(state_dir, setup.dns));
    if (options.detach_netns) {
        return setup.configured_by_child ? ns::configure_interface_in(state_dir + "/netns", setup)
                                         : Result<void>();
    }
    if (setup.configured_by_child) {
        TRY(ns::configure_interface(setup));
    }
    return ns::mount_resolver_files(state_dir, etc_after(options), log);
}

}  // namespace rk::launch
