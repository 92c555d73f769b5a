// SPDX-License-Identifier: Apache-2.0
#include "gateway/relay_parts.h"

#include "base/text.h"
#include "gateway/context.h"
#include "gateway/station.h"
#include "relay/tcp_dial.h"
#include "sys/random.h"
#include "wire/gateway_channel.h"

#include <memory>
#include <utility>

#include <sys/socket.h>

namespace rk::gateway {

namespace {

constexpr std::string_view kResolvers = "resolvers ";

std::vector<model::IpAddress> parse_resolvers(std::string_view words) {
    std::vector<model::IpAddress> resolvers;
    for (const std::string_view word : split(words, ' ')) {
        if (const auto address = model::IpAddress::parse(word)) {
            resolvers.push_back(*address);
        }
    }
    return resolvers;
}

std::shared_ptr<relay::Port> local_port(const sys::Fd& listener, int family,
                                        relay::OnwardChooser& chooser) {
    auto port = std::make_shared<relay::Port>();
    port->id = relay::kFirstLocalPort + (family == AF_INET ? 0U : 1U);
    port->family = family;
    port->socket = sys::Fd(listener.number());
    port->chooser = &chooser;
    relay::prepare_listener(port->socket);
    return port;
}

Result<void> obey(Context& context, std::string_view text) {
    if (text.starts_with(kResolvers)) {
        context.translation.set_resolvers(parse_resolvers(text.substr(kResolvers.size())));
        return {};
    }
    const wire::SetEgress egress = TRY(wire::decode_set_egress(text));
    context.egress.set(egress.rules);
    return {};
}

}  // namespace

std::vector<sys::FdRef> kept_descriptors(const Sockets& sockets) {
    std::vector<sys::FdRef> kept;
    const auto keep = [&](const sys::Fd& one) {
        if (one.valid()) {
            kept.emplace_back(one);
        }
    };
    keep(sockets.tcp4);
    keep(sockets.tcp6);
    keep(sockets.icmp4);
    keep(sockets.icmp6);
    for (const WorkerSockets& worker : sockets.workers) {
        keep(worker.queue);
        keep(worker.udp4);
        keep(worker.udp6);
        keep(worker.dns4);
        keep(worker.dns6);
    }
    return kept;
}

Result<relay::RelayParts> make_relay_parts(const Sockets& sockets, const RelayPlan& plan,
                                           relay::SocketSources sources) {
    auto context = std::make_shared<Context>(sockets, plan.plan, plan.loopback, *plan.ledger,
                                             sys::random_u64());
    context->gateway = sources.gateway;
    context->ledger.begin();
    context->translation.set_resolvers(plan.resolvers);
    context->egress.set(plan.egress);
    relay::RelayParts parts;
    parts.sources = std::move(sources);
    parts.local_ports.push_back(local_port(sockets.tcp4, AF_INET, context->claims));
    if (sockets.tcp6.valid()) {
        parts.local_ports.push_back(local_port(sockets.tcp6, AF_INET6, context->claims));
    }
    parts.make_guest = [context](relay::Shared& shared, relay::Poller& poller,
                                 unsigned worker) -> Result<std::unique_ptr<relay::Guest>> {
        return std::make_unique<Station>(*context, shared, poller, worker);
    };
    parts.extra_stats = [context] {
        return wire::encode(wire::GatewayReport{.stats = sum_of(context->ledger.workers),
                                                .egress = context->egress.hits()});
    };
    parts.on_tell = [context](std::string_view text) { return obey(*context, text); };
    return parts;
}

std::string resolvers_message(const std::vector<model::IpAddress>& resolvers) {
    std::string text(kResolvers);
    for (const model::IpAddress& resolver : resolvers) {
        text += resolver.text() + ' ';
    }
    return text;
}

}  // namespace rk::gateway
