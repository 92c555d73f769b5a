// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/claims.h"
#include "gateway/egress_gate.h"
#include "gateway/flow_key.h"
#include "gateway/ledger.h"
#include "gateway/sockets.h"
#include "gateway/translation.h"
#include "relay/socket_source.h"

#include <memory>

namespace rk::gateway {

/// What the workers of one relay share of the builtin network. The sockets are inherited from the
/// parent and borrowed.
struct Context {
    Context(const Sockets& made, const Plan& plan, HostLoopback loopback, Ledger& counted,
            std::uint64_t seed)
        : sockets(made),
          translation(plan, loopback),
          ledger(counted),
          egress(counted.egress),
          hash(seed),
          claims(translation, egress, hash) {}

    const Sockets& sockets;
    Translation translation;
    Ledger& ledger;  // outlives the relay
    EgressGate egress;
    FlowHash hash;
    Claims claims;
    relay::DirectSource host;
    std::shared_ptr<relay::SocketSource> gateway;  // transparent sockets
};

}  // namespace rk::gateway
