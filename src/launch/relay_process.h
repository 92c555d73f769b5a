// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "drivers/port/relay_link.h"
#include "ns/target_namespaces.h"
#include "relay/relay.h"

namespace rk::launch {

/// How a relay is to be.
struct RelayProcessOptions {
    bool source_ip_transparent = true;  // keeps CAP_NET_ADMIN of the namespace for it
    relay::RelayLimits limits{};
};

/// Forks the process that moves the bytes of published ports: in the child's user and network
/// namespaces, in its sandbox, with nothing of the parent's open but stderr and its end of the
/// channel. A sandbox that is not complete is a warning in the log. It dies with the parent. What
/// goes wrong inside is told over the channel, as a line for the log followed by the end.
[[nodiscard]] Result<drivers::RelayConnection> start_relay_process(
    const ns::TargetNamespaces& target, const RelayProcessOptions& options);

}  // namespace rk::launch
