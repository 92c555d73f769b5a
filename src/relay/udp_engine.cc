// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_engine.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace rk::relay {

int UdpEngine::add(const std::shared_ptr<Port>& port) {
    if (!tools_) {
        tools_ = std::make_unique<Tools>(shared_.flows.limit() + shared_.own_flows);
    }
    UdpPort& slot = ports_.claim();
    slot.port = port;
    slot.counters = &port->totals->of(worker_);
    slot.target = SocketAddress(port->target);
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
        if (flow == nullptr) {
            flow = open_flow(port, run[0]);
        }
        SendTally tally;
        if (flow == nullptr) {
            for (const Datagram& datagram : run) {
                tally.dropped += datagram.count();
            }
        } else {
            touch(*flow, now);
            UdpRoute route;
            route.socket = flow->socket;
            route.bundles = flow->bundles_in;
            tools_->sender.send(route, run, tally);
            flow->bundles_in = route.bundles;
        }
        port.counters->bytes_in.add(tally.bytes);
        port.counters->dropped.add(tally.dropped);
        port.counters->refused.add(tally.refused);
    }
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
    for (int round = 0; round < kUdpRounds; ++round) {
        bool refused = false;
        const auto batch = tools_->batch.receive(flow->socket, UdpBatch::Senders::kKnown, refused);
        tally.refused += refused ? 1 : 0;
        if (!batch.empty()) {
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
}

UdpFlow* UdpEngine::open_flow(UdpPort& port, const Datagram& first) {
    if (!take_place()) {
        return nullptr;
    }
    sys::Fd socket = shared_.sources.child->take(wire::Transport::kUdp, port.target.any.sa_family);
    if (!socket.valid() || ::connect(socket.number(), &port.target.any, port.target.length) < 0) {
        port.counters->errors.add(1);
        give_budget();
        return nullptr;
    }
    prepare_flow_socket(socket);
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
    flow.with_source = !first.local.is_unspecified() && !is_multicast_or_broadcast(first.local);
    tools_->table.insert(flow);
    by_age_.push_back(flow);
    port.flows.push_back(flow);
    port.counters->accepted.add(1);
    return &flow;
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

std::int64_t UdpEngine::next_due() const {
    if (by_age_.empty()) {
        return -1;
    }
    return by_age_.front()->touched_ms + std::int64_t{shared_.limits.udp_flow_idle_ms};
}

void UdpEngine::end_of_batch(std::int64_t now) {
    while (!by_age_.empty() && next_due() <= now) {
        close_flow(*by_age_.front());
    }
}

void UdpEngine::close_flow(UdpFlow& flow) {
    tools_->table.erase(flow);
    flow.port->flows.remove(flow);
    flow.port->counters->closed.add(1);
    by_age_.remove(flow);
    flows_.release(flow);  // closes its socket
    give_budget();
}

}  // namespace rk::relay
