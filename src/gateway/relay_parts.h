// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "gateway/ledger.h"
#include "gateway/plan.h"
#include "gateway/sockets.h"
#include "gateway/translation.h"
#include "model/egress_rule.h"
#include "model/endpoint.h"
#include "relay/parts.h"

#include <string>
#include <string_view>
#include <vector>

namespace rk::gateway {

/// What the relay is told when it is made.
struct RelayPlan {
    Plan plan;
    HostLoopback loopback = HostLoopback::kForbidden;
    std::vector<model::IpAddress> resolvers;  // of the host, in order
    std::vector<model::EgressRule> egress;
    Ledger* ledger = nullptr;  // never null; outlives the relay
};

/// The descriptors that a relay has to keep when it sheds the others.
[[nodiscard]] std::vector<sys::FdRef> kept_descriptors(const Sockets& sockets);

/// The builtin network's part of a relay. Call in the relay's process; `sockets` are its inherited
/// ones and outlive the relay. It takes the listeners over: their descriptors are closed with it.
[[nodiscard]] Result<relay::RelayParts> make_relay_parts(const Sockets& sockets,
                                                         const RelayPlan& plan,
                                                         relay::SocketSources sources);

/// What the parent says to a running relay (wire::Tell): its resolvers have changed.
[[nodiscard]] std::string resolvers_message(const std::vector<model::IpAddress>& resolvers);

}  // namespace rk::gateway
