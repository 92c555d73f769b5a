// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "drivers/port/relay_link.h"
#include "model/endpoint.h"
#include "ns/target_namespaces.h"
#include "relay/parts.h"
#include "relay/relay.h"
#include "sys/fd.h"

#include <functional>
#include <optional>
#include <vector>

namespace rk::launch {

/// What a relay needs beside the child's namespaces for --net=builtin. It then stays in this
/// process' network namespace and reaches the two others through sources of sockets.
struct RelayGateway {
    sys::FdRef network;           // the gateway's network namespace
    model::IpAddress address_v4;  // its own, as the child knows it; unspecified: it has none
    model::IpAddress address_v6;
    model::IpAddress child_v6{};  // the namespace's
    /// Descriptors that `make_parts` uses; all others are closed.
    std::vector<sys::FdRef> kept{};
    /// Called in the relay's process while it still has every capability of the namespaces, but no
    /// files any more; gets the sources (of child and gateway), which go on into the parts.
    std::function<Result<relay::RelayParts>(relay::SocketSources sources)> make_parts{};
};

/// How a relay is to be.
struct RelayProcessOptions {
    bool source_ip_transparent = true;  // keeps CAP_NET_ADMIN of the namespace for it
    relay::RelayLimits limits{};
    std::optional<RelayGateway> gateway{};  // keeps CAP_NET_ADMIN as well
};

/// Forks the process that moves the bytes of published ports: in the child's user namespace and in
/// its network namespace (or this process', with a gateway), in its sandbox, with nothing of the
/// parent's open but stderr and its end of the channel. A sandbox that is not complete is a warning
/// in the log. It dies with the parent. What goes wrong inside is told over the channel, as a line
/// for the log followed by the end.
[[nodiscard]] Result<drivers::RelayConnection> start_relay_process(
    const ns::TargetNamespaces& target, const RelayProcessOptions& options);

}  // namespace rk::launch
