// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/dhcp_keeper.h"
#include "model/network_setup.h"
#include "model/options.h"

#include <memory>
#include <string>

namespace rk::launch {

/// The child's part of the network, after its mounts: the interface, if that is left to it, and the
/// files that lead to the driver's name server. With --detach-netns the interface is the one in
/// STATE_DIR/netns, and /etc stays as it is. Where the address comes by DHCP, what has to keep it
/// is returned; else null.
[[nodiscard]] Result<std::unique_ptr<drivers::DhcpKeeper>> set_up_child_network(
    const model::NetworkSetup& setup, const model::Options& options, const std::string& state_dir,
    const Logger& log);

}  // namespace rk::launch
