// SPDX-License-Identifier: Apache-2.0
//
// The part of the TCP engine that calls services: from an accepted client to kOpen.
#include "relay/socket_address.h"
#include "relay/tcp_dial.h"
#include "relay/tcp_engine.h"
#include "relay/tcp_events.h"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace rk::relay {

namespace {

bool is_absent(int code) {
    return code == ECONNREFUSED || code == EHOSTUNREACH;
}

}  // namespace

void TcpEngine::start(TcpPort& port, sys::Fd client, const model::Endpoint& peer) {
    Connection& connection = connections_.claim();
    connection.port = &port;
    connection.peer = peer;
    connection.sides[kIn].fd = std::move(client);
    port.connections.push_back(connection);
    if (local_buffers_ && peer.address.is_loopback()) {
        keep_local(connection.sides[kIn].fd);
    }
    const int code = poller_.add(connection.sides[kIn].fd, kEagerEvents, tag_of(connection, kIn));
    if (code != 0) {
        port.counters->errors.add(1);
        doom(connection, Ending::kReset);
        return;
    }
    if (port.port->chooser != nullptr) {
        start_chosen(connection, *port.port->chooser);
        return;
    }
    connection.target = port.port->target;
    if (is_for_ipv6(*port.port, peer)) {
        connection.by_ipv6 = true;
        connection.target = {shared_.sources.child_v6, port.port->target.port};
    }
    call_target(connection);
}

// A listener of both families leads to the namespace's IPv4 address, where an IPv6 client could not
// be shown. It is called at the IPv6 address first, unless the user named where the port leads to.
bool TcpEngine::is_for_ipv6(const Port& port, const model::Endpoint& peer) const {
    const model::IpAddress& child = shared_.sources.child_v6;
    return port.origin == wire::Origin::kGateway && port.fallback && port.target.address.is_v4() &&
           !peer.address.is_v4() && !child.is_unspecified() &&
           port.transparency.on.load(std::memory_order_relaxed) && can_dial_as(peer, {child, 0});
}

void TcpEngine::start_chosen(Connection& connection, OnwardChooser& chooser) {
    Side& client = connection.sides[kIn];
    Onward onward = chooser.choose(client.fd, connection.peer, now_ms());
    connection.target = onward.target;
    if (onward.refusal != 0) {
        on_call_failed(connection, onward.refusal);
        return;
    }
    if (!onward.connected.valid()) {
        call_service(connection, Call::kInside);
        return;
    }
    Side& service = connection.sides[kOut];
    service.fd = std::move(onward.connected);
    const int code = poller_.add(service.fd, kEagerEvents, tag_of(connection, kOut));
    if (code != 0) {
        on_call_failed(connection, code);
        return;
    }
    connection.state = State::kOpen;
}

Transparency& TcpEngine::transparency_of(const Connection& connection) {
    Port& port = *connection.port->port;
    return connection.fell_back ? port.fallback_transparency : port.transparency;
}

// The connection's target, in the best way there is.
void TcpEngine::call_target(Connection& connection) {
    const bool as_client = transparency_of(connection).on.load(std::memory_order_relaxed) &&
                           can_dial_as(connection.peer, connection.target);
    const Port& port = *connection.port->port;
    if (port.origin == wire::Origin::kGateway && !connection.fell_back) {
        call_service(connection, as_client ? Call::kGatewayAsClient : Call::kGateway);
    } else {
        call_service(connection, as_client ? Call::kInsideAsClient : Call::kInside);
    }
}

Dial TcpEngine::dial_for(const Connection& connection) const {
    const SocketSources& sources = shared_.sources;
    const model::Endpoint& target = connection.target;
    switch (connection.call) {
        case Call::kInside:
            return connection.port->port->local
                       ? dial_local(target)
                       : dial_local(*sources.child, target, LocalBuffers::kKernels);
        case Call::kInsideAsClient:
            return dial_as(*sources.child, connection.peer, target);
        case Call::kGateway:
            return dial_from(*sources.gateway, {sources.gateway_address(target.address), 0},
                             target);
        case Call::kGatewayAsClient:
            return dial_from(*sources.gateway, connection.peer, target);
    }
    return {};
}

// 0: the kernel's own.
std::int64_t TcpEngine::patience_for(Call call) const {
    switch (call) {
        case Call::kInsideAsClient:
            return kTransparentTimeoutMs;
        case Call::kGatewayAsClient:
            return kGatewayTimeoutMs;
        case Call::kInside:
        case Call::kGateway:
            break;
    }
    return shared_.limits.connect_timeout_ms;
}

void TcpEngine::call_service(Connection& connection, Call call) {
    connection.call = call;
    Dial begun = dial_for(connection);
    Side& service = connection.sides[kOut];
    service = {};
    service.fd = std::move(begun.socket);
    service.watches_out = true;
    if (local_buffers_ && connection.target.address.is_loopback()) {
        keep_local(service.fd);
    }
    if (begun.code == 0) {
        begun.code = poller_.add(service.fd, kFullEvents, tag_of(connection, kOut));
    }
    if (begun.code != 0) {
        on_call_failed(connection, begun.code);
        return;
    }
    if (const std::int64_t patience = patience_for(call); patience > 0) {
        connection.dial_deadline_ms = now_ms() + patience;
        calls_like(call).push_back(connection);
    }
}

// A refusal is the service's answer under any source address; everything else may be due to the
// client's address and is tried once more without it. What refuses the gateway may still listen
// where only the namespace itself gets.
void TcpEngine::on_call_failed(Connection& connection, int code) {
    Counters& counters = *connection.port->counters;
    Port& port = *connection.port->port;
    calls_like(connection.call).remove(connection);
    if (connection.by_ipv6) {
        connection.by_ipv6 = false;
        connection.target = port.target;
        call_target(connection);
        return;
    }
    if (is_from_gateway(connection.call) && is_absent(code) && port.fallback) {
        connection.fell_back = true;
        connection.target = *port.fallback;
        call_target(connection);
        return;
    }
    if (code == ECONNREFUSED) {
        counters.refused.add(1);
        doom(connection, Ending::kReset);
        return;
    }
    counters.errors.add(1);
    if (!is_as_client(connection.call)) {
        doom(connection, Ending::kReset);
        return;
    }
    Transparency& transparency = transparency_of(connection);
    if (connection.call == Call::kInsideAsClient && code == ETIMEDOUT && !transparency.proved &&
        transparency.on.exchange(false)) {
        shared_.log(LogLevel::kWarning,
                    fmt::format("port {}: {} does not answer clients at their own address; "
                                "from now on it sees this host's",
                                port.id, connection.target.text()));
    }
    call_service(connection, is_from_gateway(connection.call) ? Call::kGateway : Call::kInside);
}

void TcpEngine::on_called(Connection& connection, std::uint32_t events) {
    if ((events & kBroken) != 0) {
        const int code = take_error(connection.sides[kOut].fd);
        on_call_failed(connection, code == 0 ? ECONNREFUSED : code);
        return;
    }
    if ((events & EPOLLOUT) == 0) {
        return;
    }
    calls_like(connection.call).remove(connection);
    connection.state = State::kOpen;
    Transparency& transparency = transparency_of(connection);
    if (is_as_client(connection.call) && !transparency.proved.load(std::memory_order_relaxed)) {
        transparency.proved = true;
    }
}

void TcpEngine::expire_calls(std::int64_t now) {
    for (auto& calls : calls_) {
        while (calls.front() != nullptr && calls.front()->dial_deadline_ms <= now) {
            on_call_failed(*calls.front(), ETIMEDOUT);
        }
    }
}

}  // namespace rk::relay
