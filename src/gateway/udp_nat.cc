// SPDX-License-Identifier: Apache-2.0
#include "gateway/udp_nat.h"

#include "gateway/kernel_names.h"
#include "gateway/limits.h"
#include "relay/socket_address.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::gateway {

namespace {

constexpr std::array<std::int64_t, kUdpPatiences> kPatienceMs = {kUdpIdleMs, kDnsIdleMs,
                                                                 kDnsAnsweredMs};

bool set_flag(sys::FdRef socket, int name) {
    const int on = 1;
    return ::setsockopt(socket.number(), SOL_SOCKET, name, &on, sizeof on) == 0;
}

bool connect_to(sys::FdRef socket, const model::Endpoint& endpoint) {
    const relay::SocketAddress address(endpoint);
    return ::connect(socket.number(), &address.any, address.length) == 0;
}

bool bind_to(sys::FdRef socket, const model::Endpoint& endpoint) {
    const relay::SocketAddress address(endpoint);
    return ::bind(socket.number(), &address.any, address.length) == 0;
}

std::uint64_t count_of(std::span<const relay::Datagram> datagrams) {
    std::uint64_t count = 0;
    for (const relay::Datagram& datagram : datagrams) {
        count += datagram.count();
    }
    return count;
}

// A datagram to an address of all or many has nobody to answer from.
bool can_be_forwarded(const model::Endpoint& asked) {
    return asked.port != 0 && !relay::is_multicast_or_broadcast(asked.address);
}

}  // namespace

UdpNat::UdpNat(Context& context, relay::Shared& shared, relay::Poller& poller,
               const WorkerSockets& sockets, EgressView& egress, Counters& counters)
    : context_(context),
      shared_(shared),
      poller_(poller),
      egress_(egress),
      counters_(counters),
      errors_(context.sockets),
      fronts_{{{sockets.udp4, AF_INET, false},
               {sockets.udp6, AF_INET6, false},
               {sockets.dns4, AF_INET, true},
               {sockets.dns6, AF_INET6, true}}},
      batch_(std::make_unique<relay::UdpBatch>()),
      by_key_(0, context.hash),
      mappings_(0, context.hash),
      limit_(std::clamp<std::size_t>(shared.fds.limit() / kFlowShareOfFds / 2, 1, kMaxUdpFlows) /
             shared.workers) {
    limit_ = std::max<std::size_t>(limit_, 1);
}

Result<void> UdpNat::prepare() {
    for (std::uint32_t i = 0; i < fronts_.size(); ++i) {
        const Front& front = fronts_[i];
        if (front.socket.number() < 0) {
            continue;
        }
        relay::prepare_transparent_socket(front.socket, front.family);
        const relay::Tag tag{.kind = relay::Kind::kNatFront, .index = i, .generation = 0};
        if (const int code = poller_.add(front.socket, EPOLLIN, tag); code != 0) {
            return fail(errno_error(code, "watch the gateway's UDP sockets"));
        }
    }
    return {};
}

void UdpNat::on_event(relay::Tag tag, std::int64_t now) {
    if (tag.kind == relay::Kind::kNatFront) {
        on_front(fronts_.at(tag.index % fronts_.size()), now);
        return;
    }
    UdpFlow* const flow = flows_.find(tag.index, tag.generation);
    if (flow == nullptr) {
        return;
    }
    if (tag.kind == relay::Kind::kNatInside) {
        on_inside(*flow, now);
    } else {
        on_outside(*flow, now);
    }
}

void UdpNat::on_front(const Front& front, std::int64_t now) {
    for (int round = 0; round < kUdpRounds; ++round) {
        bool refused = false;
        auto batch = batch_->receive(front.socket, relay::UdpBatch::Senders::kAsked, refused);
        const bool more = batch.size() == relay::kUdpBatch;
        while (!batch.empty()) {
            std::size_t same = 1;
            while (same < batch.size() && batch[same].same_flow(batch[0])) {
                ++same;
            }
            forward_first(front, batch.first(same), now);
            batch = batch.subspan(same);
        }
        if (!more) {
            return;
        }
    }
}

void UdpNat::forward_first(const Front& front, std::span<const relay::Datagram> run,
                           std::int64_t now) {
    const FlowKey key{run[0].peer.endpoint(), {run[0].local, run[0].local_port}};
    const auto found = by_key_.find(key);
    UdpFlow* flow = found != by_key_.end() ? found->second : nullptr;
    if (flow == nullptr && can_be_forwarded(key.asked) &&
        context_.translation.is_inside(key.inside.address)) {
        flow = open(key, front, now);
    }
    if (flow == nullptr) {
        counters_.udp_dropped.add(count_of(run));
        return;
    }
    send_out(*flow, run, now);
}

void UdpNat::send_out(UdpFlow& flow, std::span<const relay::Datagram> datagrams, std::int64_t now) {
    relay::UdpRoute route;
    route.socket = flow.outside;
    route.bundles = flow.bundles_out;
    relay::SendTally tally;
    sender_.send(route, datagrams, tally);
    flow.bundles_out = route.bundles;
    counters_.bytes_out.add(tally.bytes);
    counters_.udp_dropped.add(tally.dropped);
    const bool dns = !flow.inside.valid();
    if (dns) {
        flow.unanswered += static_cast<std::uint32_t>(count_of(datagrams));
        counters_.dns_udp.add(count_of(datagrams));
    }
    if (tally.refused > 0) {
        refused(flow, now);
    }
    touch(flow, dns ? UdpPatience::kQuestion : UdpPatience::kFlow, now);
}

void UdpNat::on_inside(UdpFlow& flow, std::int64_t now) {
    for (int round = 0; round < kUdpRounds; ++round) {
        bool refused = false;
        const auto batch = batch_->receive(flow.inside, relay::UdpBatch::Senders::kKnown, refused);
        if (!batch.empty()) {
            send_out(flow, batch, now);
        }
        if (batch.size() < relay::kUdpBatch) {
            return;
        }
    }
}

void UdpNat::on_outside(UdpFlow& flow, std::int64_t now) {
    const bool dns = !flow.inside.valid();
    relay::UdpRoute route;
    route.socket = dns ? flow.front : sys::FdRef(flow.inside);
    route.to = dns ? &flow.peer : nullptr;
    route.family = flow.key.inside.address.is_v4() ? AF_INET : AF_INET6;
    route.bundles = flow.bundles_in;
    relay::SendTally tally;
    for (int round = 0; round < kUdpRounds; ++round) {
        bool is_refused = false;
        const auto batch =
            batch_->receive(flow.outside, relay::UdpBatch::Senders::kKnown, is_refused);
        if (is_refused) {
            refused(flow, now);
        }
        if (!batch.empty() && dns) {
            context_.translation.resolver_answered(flow.target);
        }
        if (!batch.empty()) {
            sender_.send(route, batch, tally);
            const auto answers = static_cast<std::uint32_t>(count_of(batch));
            flow.unanswered -= std::min(flow.unanswered, answers);
            const auto patience = !dns                   ? UdpPatience::kFlow
                                  : flow.unanswered == 0 ? UdpPatience::kAnswered
                                                         : UdpPatience::kQuestion;
            touch(flow, patience, now);
        }
        if (batch.size() < relay::kUdpBatch) {
            break;
        }
    }
    flow.bundles_in = route.bundles;
    counters_.bytes_in.add(tally.bytes);
    counters_.udp_dropped.add(tally.dropped);
}

// A resolver that is not there is the gateway's business: the next one is asked.
void UdpNat::refused(const UdpFlow& flow, std::int64_t now) {
    if (!flow.inside.valid()) {
        counters_.dns_failed.add();
        context_.translation.resolver_failed(flow.target, now);
    }
    errors_.tell(flow.key, ECONNREFUSED, now);
}

UdpFlow* UdpNat::open(const FlowKey& key, const Front& front, std::int64_t now) {
    const Destination to = context_.translation.of(key.asked, now);
    if (to.refusal != 0) {
        errors_.tell(key, to.refusal, now);
        return nullptr;
    }
    if (egress_.decide(model::EgressProtocol::kUdp, key.asked, to.target) ==
        model::EgressAction::kDeny) {
        counters_.denied.add();
        errors_.tell(key, EACCES, now);
        return nullptr;
    }
    if (!take_place()) {
        return nullptr;
    }
    UdpFlow& flow = flows_.claim();
    flow.key = key;
    flow.target = to.target;
    by_key_[key] = &flow;
    list_of(flow.patience).push_back(flow);
    counters_.udp_flows.set(by_key_.size());
    if (front.dns) {
        flow.front = front.socket;
        flow.peer = relay::SocketAddress(key.inside);
    }
    errno = 0;
    if (!open_outside(flow, to) || (!front.dns && !open_inside(flow)) || !watch(flow)) {
        errors_.tell(key, errno, now);
        close(flow);
        return nullptr;
    }
    // Between bind(2) and connect(2) anybody could send to a port that other peers know. As late as
    // can be: what the kernel was about to deliver takes a moment.
    if (flow.mapped) {
        relay::drop_received(flow.outside);
    }
    counters_.udp_opened.add();
    return &flow;
}

bool UdpNat::open_outside(UdpFlow& flow, const Destination& to) {
    const int family = relay::family_of(to.target.address);
    flow.outside = context_.host.take(wire::Transport::kUdp, family);
    if (!flow.outside.valid() || (!to.dns && !map(flow, family)) ||
        !connect_to(flow.outside, to.target)) {
        return false;
    }
    relay::prepare_flow_socket(flow.outside);
    return true;
}

bool UdpNat::map(UdpFlow& flow, int family) {
    const model::IpAddress any = family == AF_INET ? model::IpAddress::v4(0) : model::IpAddress();
    UdpMapping& mapping = mappings_[flow.key.inside];
    flow.mapped = true;
    ++mapping.flows;
    if (mapping.flows > 1 && mapping.port != 0) {
        return set_flag(flow.outside, SO_REUSEPORT) && bind_to(flow.outside, {any, mapping.port});
    }
    relay::SocketAddress bound;
    if (!bind_to(flow.outside, {any, 0}) || !set_flag(flow.outside, SO_REUSEPORT) ||
        ::getsockname(flow.outside.number(), &bound.any, &bound.length) < 0) {
        return false;
    }
    mapping.port = bound.endpoint().port;
    return true;
}

// Two inside endpoints may talk to the same remote one: SO_REUSEADDR.
bool UdpNat::open_inside(UdpFlow& flow) {
    const int family = relay::family_of(flow.key.asked.address);
    flow.inside = context_.gateway->take(wire::Transport::kUdp, family);
    if (!flow.inside.valid() || !set_flag(flow.inside, SO_REUSEADDR) ||
        !bind_to(flow.inside, flow.key.asked) || !connect_to(flow.inside, flow.key.inside)) {
        return false;
    }
    relay::prepare_flow_socket(flow.inside);
    return true;
}

bool UdpNat::watch(UdpFlow& flow) {
    const auto add = [&](const sys::Fd& socket, relay::Kind kind) {
        return !socket.valid() || poller_.add(socket, EPOLLIN, relay::Tag::of(kind, flow)) == 0;
    };
    return add(flow.outside, relay::Kind::kNatOutside) && add(flow.inside, relay::Kind::kNatInside);
}

bool UdpNat::take_place() {
    if (by_key_.size() < limit_ && shared_.fds.take(2)) {
        return true;
    }
    for (const UdpPatience patience :
         {UdpPatience::kAnswered, UdpPatience::kFlow, UdpPatience::kQuestion}) {
        if (UdpFlow* const oldest = list_of(patience).front(); oldest != nullptr) {
            close(*oldest);
            return shared_.fds.take(2);
        }
    }
    return false;
}

void UdpNat::touch(UdpFlow& flow, UdpPatience patience, std::int64_t now) {
    flow.touched_ms = now;
    if (flow.patience == patience) {
        list_of(patience).refresh(flow);
        return;
    }
    list_of(flow.patience).remove(flow);
    flow.patience = patience;
    list_of(patience).push_back(flow);
}

std::int64_t UdpNat::next_due() const {
    std::int64_t due = -1;
    for (std::size_t i = 0; i < by_age_.size(); ++i) {
        if (const UdpFlow* const first = by_age_[i].front(); first != nullptr) {
            const std::int64_t end = first->touched_ms + kPatienceMs[i];
            due = due < 0 ? end : std::min(due, end);
        }
    }
    return due;
}

void UdpNat::end_of_batch(std::int64_t now) {
    for (std::size_t i = 0; i < by_age_.size(); ++i) {
        UdpFlow* first = by_age_[i].front();
        while (first != nullptr && first->touched_ms + kPatienceMs[i] <= now) {
            if (static_cast<UdpPatience>(i) == UdpPatience::kQuestion) {
                counters_.dns_failed.add();
                context_.translation.resolver_failed(first->target, now);
            }
            close(*first);
            first = by_age_[i].front();
        }
    }
}

void UdpNat::close(UdpFlow& flow) {
    if (flow.mapped) {
        const auto mapping = mappings_.find(flow.key.inside);
        if (mapping != mappings_.end() && --mapping->second.flows == 0) {
            mappings_.erase(mapping);
        }
    }
    by_key_.erase(flow.key);
    list_of(flow.patience).remove(flow);
    flows_.release(flow);  // closes its sockets
    shared_.fds.give(2);
    counters_.udp_flows.set(by_key_.size());
}

}  // namespace rk::gateway
