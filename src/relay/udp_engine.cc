// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_engine.h"

#include "relay/tcp_dial.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace rk::relay {

namespace {

std::uint64_t count_of(std::span<const Datagram> run) {
    std::uint64_t count = 0;
    for (const Datagram& datagram : run) {
        count += datagram.count();
    }
    return count;
}

// From `from` where that is an address. None on failure.
sys::Fd connected(SocketSource& source, const model::Endpoint& from, const SocketAddress& target) {
    sys::Fd socket = source.take(wire::Transport::kUdp, target.any.sa_family);
    if (!socket.valid() || bind_from(socket, from) != 0 ||
        ::connect(socket.number(), &target.any, target.length) < 0) {
        return {};
    }
    prepare_flow_socket(socket);
    return socket;
}

}  // namespace

int UdpEngine::add(const std::shared_ptr<Port>& port) {
    if (!tools_) {
        tools_ = std::make_unique<Tools>(shared_.flows.limit() + shared_.own_flows);
    }
    UdpPort& slot = ports_.claim();
    slot.port = port;
    slot.counters = &port->totals->of(worker_);
    slot.target = SocketAddress(port->target);
    if (port->origin == wire::Origin::kGateway && port->fallback) {
        slot.fallback = SocketAddress(*port->fallback);
    }
    const int code = poller_.add(port->socket, EPOLLIN, Tag::of(Kind::kUdpPort, slot));
    if (code != 0) {
        ports_.release(slot);
        return code;
    }
    by_id_[port->id].push_back(&slot);
    return 0;
}

void UdpEngine::remove(std::uint32_t id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        return;
    }
    for (UdpPort* slot : found->second) {
        poller_.remove(slot->port->socket);
        while (UdpFlow* flow = slot->flows.front()) {
            close_flow(*flow);
        }
        ports_.release(*slot);
    }
    by_id_.erase(found);
}

void UdpEngine::on_port(Tag tag, std::int64_t now) {
    UdpPort* const port = ports_.find(tag.index, tag.generation);
    if (port == nullptr) {
        return;
    }
    for (int round = 0; round < kUdpRounds; ++round) {
        bool refused = false;
        const auto batch =
            tools_->batch.receive(port->port->socket, UdpBatch::Senders::kAsked, refused);
        forward_in(*port, batch, now);
        if (batch.size() < kUdpBatch) {
            return;
        }
    }
}

void UdpEngine::forward_in(UdpPort& port, std::span<const Datagram> batch, std::int64_t now) {
    while (!batch.empty()) {
        std::size_t same = 1;
        while (same < batch.size() && batch[same].same_flow(batch[0])) {
            ++same;
        }
        const auto run = batch.first(same);
        batch = batch.subspan(same);
        UdpFlow* flow = tools_->table.find(port, run[0].peer, run[0].local);
        const bool fresh = flow == nullptr;
        if (fresh) {
            flow = open_flow(port, run[0], now);
        }
        SendTally tally;
        if (flow == nullptr) {
            tally.dropped = count_of(run);
        } else {
            touch(*flow, now);
            send_in(*flow, run, tally);
            if (tally.refused > 0 && fall_back(*flow, now)) {
                tally = {};
                send_in(*flow, run, tally);
            } else if (tally.refused > 0) {
                end_if_refused_for_long(*flow, now);
            } else if (fresh && port.fallback && !flow->fell_back) {
                keep(*flow, run, now);
            }
        }
        port.counters->bytes_in.add(tally.bytes);
        port.counters->dropped.add(tally.dropped);
        port.counters->refused.add(tally.refused);
    }
}

void UdpEngine::send_in(UdpFlow& flow, std::span<const Datagram> run, SendTally& tally) {
    UdpRoute route;
    route.socket = flow.socket;
    route.bundles = flow.bundles_in;
    tools_->sender.send(route, run, tally);
    flow.bundles_in = route.bundles;
}

void UdpEngine::on_flow(Tag tag, std::int64_t now) {
    UdpFlow* const flow = flows_.find(tag.index, tag.generation);
    if (flow == nullptr) {
        return;
    }
    Port& port = *flow->port->port;
    UdpRoute route{.socket = port.socket,
                   .to = &flow->peer,
                   .family = port.family,
                   .source = flow->local,
                   .with_source = flow->with_source,
                   .bundles = flow->bundles_out};
    SendTally tally;
    bool refused = false;
    for (int round = 0; round < kUdpRounds && !refused; ++round) {
        const auto batch = tools_->batch.receive(flow->socket, UdpBatch::Senders::kKnown, refused);
        tally.refused += refused ? 1 : 0;
        if (!batch.empty()) {
            forget(*flow);
            tools_->sender.send(route, batch, tally);
            touch(*flow, now);
        }
        if (batch.size() < kUdpBatch) {
            break;
        }
    }
    flow->with_source = route.with_source;
    flow->bundles_out = route.bundles;
    Counters& counters = *flow->port->counters;
    counters.bytes_out.add(tally.bytes);
    counters.dropped.add(tally.dropped);
    counters.refused.add(tally.refused);
    if (refused && !fall_back(*flow, now)) {
        end_if_refused_for_long(*flow, now);
    }
}

UdpFlow* UdpEngine::open_flow(UdpPort& port, const Datagram& first, std::int64_t now) {
    if (!take_place()) {
        return nullptr;
    }
    const bool refused = port.fallback && now < port.refused_until_ms;
    sys::Fd socket =
        refused ? connected(*shared_.sources.child, {}, *port.fallback) : call_target(port, first);
    if (!socket.valid()) {
        port.counters->errors.add(1);
        give_budget();
        return nullptr;
    }
    UdpFlow& flow = flows_.claim();
    const int code = poller_.add(socket, EPOLLIN, Tag::of(Kind::kUdpFlow, flow));
    if (code != 0) {
        port.counters->errors.add(1);
        flows_.release(flow);
        give_budget();
        return nullptr;
    }
    flow.port = &port;
    flow.peer = first.peer;
    flow.local = first.local;
    flow.socket = std::move(socket);
    flow.fell_back = refused;
    flow.fell_back_ms = now;
    flow.with_source = !first.local.is_unspecified() && !is_multicast_or_broadcast(first.local);
    tools_->table.insert(flow);
    by_age_.push_back(flow);
    port.flows.push_back(flow);
    port.counters->accepted.add(1);
    return &flow;
}

// A connected socket, or none.
sys::Fd UdpEngine::call_target(const UdpPort& port, const Datagram& first) const {
    const SocketSources& sources = shared_.sources;
    if (port.port->local) {
        DirectSource own;
        return connected(own, {}, port.target);
    }
    if (port.port->origin == wire::Origin::kInside) {
        return connected(*sources.child, {}, port.target);
    }
    const model::Endpoint& target = port.port->target;
    const model::Endpoint client = first.peer.endpoint();
    if (port.port->transparency.on.load(std::memory_order_relaxed) && can_dial_as(client, target)) {
        sys::Fd socket = connected(*sources.gateway, client, port.target);
        if (socket.valid()) {
            return socket;
        }
    }
    return connected(*sources.gateway, {sources.gateway_address(target.address), 0}, port.target);
}

// Both targets have refused: the next datagram of the client finds out whether that still holds.
void UdpEngine::end_if_refused_for_long(UdpFlow& flow, std::int64_t now) {
    if (flow.fell_back && now - flow.fell_back_ms >= kUdpAnewMs) {
        flow.port->refused_until_ms = 0;
        close_flow(flow);
    }
}

// False where it leads to the last target already, or cannot be moved.
bool UdpEngine::fall_back(UdpFlow& flow, std::int64_t now) {
    const auto& fallback = flow.port->fallback;
    if (flow.fell_back || !fallback) {
        return false;
    }
    sys::Fd socket = connected(*shared_.sources.child, {}, *fallback);
    if (!socket.valid() || poller_.add(socket, EPOLLIN, Tag::of(Kind::kUdpFlow, flow)) != 0) {
        flow.port->counters->errors.add(1);
        return false;
    }
    flow.socket = std::move(socket);
    flow.fell_back = true;
    flow.fell_back_ms = now;
    flow.port->refused_until_ms = now + kUdpRefusedMs;
    send_kept(flow);
    return true;
}

bool UdpEngine::take_place() {
    if (take_budget()) {
        return true;
    }
    if (by_age_.empty()) {
        return false;
    }
    close_flow(*by_age_.front());
    return take_budget();
}

bool UdpEngine::take_budget() {
    if (!shared_.fds.take(1)) {
        return false;
    }
    if (flow_count_ >= shared_.own_flows && !shared_.flows.take(1)) {
        shared_.fds.give(1);
        return false;
    }
    ++flow_count_;
    shared_.flow_count.at(worker_).store(static_cast<std::uint32_t>(flow_count_),
                                         std::memory_order_relaxed);
    return true;
}

void UdpEngine::give_budget() {
    if (flow_count_ > shared_.own_flows) {
        shared_.flows.give(1);
    }
    --flow_count_;
    shared_.flow_count.at(worker_).store(static_cast<std::uint32_t>(flow_count_),
                                         std::memory_order_relaxed);
    shared_.fds.give(1);
}

void UdpEngine::touch(UdpFlow& flow, std::int64_t now) {
    flow.touched_ms = now;
    by_age_.refresh(flow);
}

std::int64_t UdpEngine::oldest_end() const {
    return by_age_.front()->touched_ms + std::int64_t{shared_.limits.udp_flow_idle_ms};
}

std::int64_t UdpEngine::next_due() const {
    if (by_age_.empty()) {
        return -1;  // nor is there one that keeps anything
    }
    return keepers_.empty() ? oldest_end()
                            : std::min(oldest_end(), keepers_.front()->kept_until_ms);
}

void UdpEngine::end_of_batch(std::int64_t now) {
    while (!by_age_.empty() && oldest_end() <= now) {
        close_flow(*by_age_.front());
    }
    while (!keepers_.empty() && keepers_.front()->kept_until_ms <= now) {
        forget(*keepers_.front());
    }
}

void UdpEngine::close_flow(UdpFlow& flow) {
    forget(flow);
    tools_->table.erase(flow);
    flow.port->flows.remove(flow);
    flow.port->counters->closed.add(1);
    by_age_.remove(flow);
    flows_.release(flow);  // closes its socket
    give_budget();
}

}  // namespace rk::relay
