// SPDX-License-Identifier: Apache-2.0
#include "launch/network_service.h"

#include "launch/sandbox_facts.h"
#include "wire/gateway_channel.h"

#include <map>
#include <string>
#include <utility>

namespace rk::launch {

namespace {

// The network lives longer than the relay's keeper, so it only borrows it.
drivers::RelayAccess access_to(const std::weak_ptr<drivers::RelayKeeper>& keeper) {
    drivers::RelayAccess access;
    access.tell = [keeper](const std::string& text) -> Result<void> {
        const auto relay = keeper.lock();
        return relay == nullptr
                   ? Result<void>{}
                   : relay->with_relay([&](drivers::RelayLink& link) { return link.tell(text); });
    };
    access.report = [keeper]() -> Result<std::string> {
        const auto relay = keeper.lock();
        if (relay == nullptr) {
            return fail("the relay does not run");
        }
        return TRY(relay->stats()).extra;
    };
    access.replace = [keeper] {
        if (const auto relay = keeper.lock(); relay != nullptr) {
            relay->replace();
        }
    };
    return access;
}

Result<api::NetworkStats> network_stats(drivers::RelayKeeper& relay) {
    const drivers::RelayStats told = TRY(relay.stats());
    wire::GatewayReport report = TRY(wire::decode_gateway_report(told.extra));
    // Connections are carried by the relay's own listeners, datagrams by the gateway's flows.
    for (const model::PortCounters& port : told.local_ports) {
        report.stats.bytes_out += port.bytes_in;
        report.stats.bytes_in += port.bytes_out;
    }
    return api::NetworkStats{told.health, report.stats};
}

std::map<std::string, std::string> network_extra(const drivers::BuiltinNetwork& network,
                                                 drivers::RelayKeeper& relay) {
    std::map<std::string, std::string> extra = network.info().extra;
    if (const drivers::RelayLink* const link = relay.relay(); link != nullptr) {
        extra.merge(sandbox_facts(link->pid()));
    }
    return extra;
}

}  // namespace

void serve_network(drivers::BuiltinNetwork& network,
                   const std::shared_ptr<drivers::RelayKeeper>& relay, api::Service& service) {
    network.use_relay(access_to(relay));
    service.egress = &network.egress();
    service.network_stats = [relay] { return network_stats(*relay); };
    service.network_extra = [relay, &network] { return network_extra(network, *relay); };
}

}  // namespace rk::launch
