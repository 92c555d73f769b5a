// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "relay/counters.h"
#include "relay/slab.h"
#include "sys/fd.h"
#include "wire/relay_channel.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace rk::relay {

class OnwardChooser;

/// Whether services see the client's address.
struct Transparency {
    /// Turned off for good by the first transparent connect from inside that timed out.
    std::atomic<bool> on{false};
    /// Whether a transparent connect ever succeeded: one that does not answer is then no proof.
    std::atomic<bool> proved{false};
};

/// One published socket: a TCP listener, which all workers share, or a UDP socket, which one worker
/// owns. A range of ports is several of these with one id and one set of counters.
struct Port {
    std::uint32_t id = 0;
    wire::Transport transport = wire::Transport::kTcp;
    int family = 0;  // of the socket, AF_INET or AF_INET6
    sys::Fd socket;
    model::Endpoint target;
    /// Asked per connection instead of `target` (TCP); borrowed.
    OnwardChooser* chooser = nullptr;
    Transparency transparency;
    wire::Origin origin = wire::Origin::kInside;
    /// Called from inside where `target`, called from the gateway, is not there.
    std::optional<model::Endpoint> fallback{};
    Transparency fallback_transparency;
    std::shared_ptr<PortTotals> totals;
    unsigned owner = 0;  // worker, with UDP
    /// Local ports: what they call is in this process' own network namespace.
    bool local = false;
};

}  // namespace rk::relay
