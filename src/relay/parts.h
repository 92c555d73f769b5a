// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/guest.h"
#include "relay/port.h"
#include "relay/socket_source.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rk::relay {

/// Local ports have ids from here on, published ones are below.
inline constexpr std::uint32_t kFirstLocalPort = 0x80000000;

/// What a relay is made of beside the published ports that come over the channel. Nothing of it is
/// needed for those.
struct RelayParts {
    /// Sockets of the relay itself, served from the start (at most wire::kMaxLocalPorts). Their
    /// targets are called in this process' own network namespace. The totals may be left empty.
    /// Stats tell them apart from published ports.
    std::vector<std::shared_ptr<Port>> local_ports;
    GuestMaker make_guest;
    SocketSources sources;
    /// Text that goes with every answer to GetStats, at most wire::kMaxExtraStats bytes of it.
    /// Called by the first worker.
    std::function<std::string()> extra_stats;
    /// What the parent says with wire::Tell; called by the first worker. An error is its answer.
    std::function<Result<void>(std::string_view text)> on_tell;
};

}  // namespace rk::relay
