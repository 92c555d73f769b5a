// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/flow_key.h"
#include "relay/list.h"
#include "relay/slab.h"
#include "relay/socket_address.h"
#include "sys/fd.h"

#include <cstdint>

namespace rk::gateway {

/// The socket port of the host that all flows of one inside endpoint share (endpoint-independent
/// mapping, RFC 4787).
struct UdpMapping {
    std::uint16_t port = 0;
    std::uint32_t flows = 0;
};

/// How long a flow lasts without traffic; each kind is a list in the order of its ends.
enum class UdpPatience : std::uint8_t { kFlow, kQuestion, kAnswered };
inline constexpr std::size_t kUdpPatiences = 3;

/// Datagrams between one inside endpoint and one outside.
struct UdpFlow : relay::SlabPlace {
    FlowKey key;
    /// Speaks as the outside endpoint to the inside one. A question to the name server has none:
    /// its answer leaves from `front`, the name server's own socket.
    sys::Fd inside;
    sys::FdRef front = sys::FdRef(-1);
    relay::SocketAddress peer;  // the inside endpoint, for `front`
    sys::Fd outside;            // connected to the target
    model::Endpoint target;
    std::uint32_t unanswered = 0;  // questions to the name server
    UdpPatience patience = UdpPatience::kFlow;
    bool mapped = false;
    bool bundles_in = true;
    bool bundles_out = true;
    std::int64_t touched_ms = 0;
    relay::ListLink<UdpFlow> by_age;
};

}  // namespace rk::gateway
