// SPDX-License-Identifier: Apache-2.0
#include "launch/relay_options.h"

#include "drivers/network/builtin.h"
#include "gateway/relay_parts.h"

#include <utility>

namespace rk::launch {

namespace {

RelayGateway relay_gateway(const drivers::BuiltinNetwork& network) {
    gateway::RelayPlan plan = network.relay_plan();
    RelayGateway gateway{.network = network.sockets().netns,
                         .address_v4 = plan.plan.v4.gateway,
                         .address_v6 = {},
                         .child_v6 = {},
                         .kept = gateway::kept_descriptors(network.sockets()),
                         .make_parts = {}};
    if (plan.plan.v6) {
        gateway.address_v6 = plan.plan.v6->gateway;
        gateway.child_v6 = plan.plan.v6->address;
    }
    gateway.make_parts = [&network, plan = std::move(plan)](relay::SocketSources sources) {
        return gateway::make_relay_parts(network.sockets(), plan, std::move(sources));
    };
    return gateway;
}

}  // namespace

std::optional<drivers::GatewayTargets> gateway_targets(const drivers::NetworkDriver* network) {
    if (network == nullptr || network->builtin() == nullptr) {
        return std::nullopt;
    }
    const gateway::Plan plan = network->builtin()->relay_plan().plan;
    drivers::GatewayTargets targets{plan.v4.address, {}};
    if (plan.v6) {
        targets.child_v6 = plan.v6->address;
    }
    return targets;
}

RelayProcessOptions relay_options(const model::Options& options,
                                  const drivers::NetworkDriver* network) {
    RelayProcessOptions relay;
    relay.source_ip_transparent = options.source_ip_transparent;
    if (network != nullptr && network->builtin() != nullptr) {
        relay.gateway = relay_gateway(*network->builtin());
        // The gateway has a queue and sockets for each thread. How many CPUs there are now, for a
        // relay that is started again, does not matter.
        relay.limits.workers = network->builtin()->relay_plan().plan.workers;
    }
    return relay;
}

}  // namespace rk::launch
