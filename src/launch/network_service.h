// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/service.h"
#include "drivers/network/builtin.h"
#include "drivers/port/relay_keeper.h"

#include <memory>

namespace rk::launch {

/// Lets the builtin network and its relay reach each other, and the API both: egress rules,
/// counters and how the network works at the moment. The network outlives the service.
void serve_network(drivers::BuiltinNetwork& network,
                   const std::shared_ptr<drivers::RelayKeeper>& relay, api::Service& service);

}  // namespace rk::launch
