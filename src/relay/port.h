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

namespace rk::relay {

class OnwardChooser;

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
    /// Turned off for good by the first transparent connect that timed out.
    std::atomic<bool> transparent{false};
    /// Whether a transparent connect ever succeeded: one that does not answer is then no proof.
    std::atomic<bool> transparent_proved{false};
    std::shared_ptr<PortTotals> totals;
    unsigned owner = 0;  // worker, with UDP
};

}  // namespace rk::relay
