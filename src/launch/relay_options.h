// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drivers/network/network_driver.h"
#include "drivers/port/child_address.h"
#include "launch/relay_process.h"
#include "model/options.h"

#include <optional>

namespace rk::launch {

/// How the relay of this run is to be: with the builtin network it has a gateway. Asked each time
/// one is started; `network` (or null) outlives the relay.
[[nodiscard]] RelayProcessOptions relay_options(const model::Options& options,
                                                const drivers::NetworkDriver* network);

/// Where published ports lead with that network; nothing where it is not the builtin one.
[[nodiscard]] std::optional<drivers::GatewayTargets> gateway_targets(
    const drivers::NetworkDriver* network);

}  // namespace rk::launch
