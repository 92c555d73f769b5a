// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drivers/network/network_driver.h"
#include "launch/relay_process.h"
#include "model/options.h"

namespace rk::launch {

/// How the relay of this run is to be: with the builtin network it has a gateway. Asked each time
/// one is started; `network` (or null) outlives the relay.
[[nodiscard]] RelayProcessOptions relay_options(const model::Options& options,
                                                const drivers::NetworkDriver* network);

}  // namespace rk::launch
