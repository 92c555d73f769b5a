// SPDX-License-Identifier: Apache-2.0
#include "gateway/held_calls.h"

#include "gateway/limits.h"
#include "relay/tcp_dial.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rk::gateway {

namespace {

constexpr std::uint32_t kCallEvents = EPOLLOUT | EPOLLET;

// A socket that connects within this machine is connected when connect(2) returns. The other end
// may have closed by now, so it need not be in the state "established" any more.
bool is_connected(sys::FdRef socket) {
    std::uint8_t state = 0;
    socklen_t length = sizeof state;  // the first byte of tcp_info
    return ::getsockopt(socket.number(), IPPROTO_TCP, TCP_INFO, &state, &length) == 0 &&
           state != TCP_SYN_SENT && state != TCP_CLOSE;
}

}  // namespace

HeldCalls::HeldCalls(Context& context, relay::Shared& shared, relay::Poller& poller,
                     Verdicts& verdicts, EgressView& egress, Counters& counters)
    : context_(context),
      shared_(shared),
      poller_(poller),
      verdicts_(verdicts),
      egress_(egress),
      counters_(counters),
      local_buffers_(relay::grants_local_buffers() ? relay::LocalBuffers::kBounded
                                                   : relay::LocalBuffers::kKernels),
      by_key_(0, context.hash),
      limit_(std::clamp<std::size_t>(shared.fds.limit() / kHeldShareOfFds / shared.workers, 1,
                                     kMaxHeldCalls)) {}

void HeldCalls::on_syn(const wire::TcpSyn& syn, const HeldPacket& packet, std::int64_t now) {
    const FlowKey key{syn.from, syn.to};
    if (by_key_.find(key) != by_key_.end()) {
        verdicts_.drop(packet);
        return;
    }
    if (context_.claims.holds(key)) {
        verdicts_.pass(packet);
        return;
    }
    const Destination to = context_.translation.of(syn.to, now);
    if (to.dns) {
        counters_.dns_tcp.add();
    }
    if (to.refusal != 0) {
        failed(to, packet, to.refusal, now);
        return;
    }
    if (egress_.decide(model::EgressProtocol::kTcp, syn.to, to.target) ==
        model::EgressAction::kDeny) {
        counters_.denied.add();
        verdicts_.pass(packet, Mark::kReset);
        return;
    }
    call(key, to, packet, now);
}

void HeldCalls::call(const FlowKey& key, const Destination& to, const HeldPacket& packet,
                     std::int64_t now) {
    if (!take_place()) {
        counters_.syn_dropped.add();
        verdicts_.drop(packet);
        return;
    }
    relay::Dial dialled = to.target.address.is_loopback()
                              ? relay::dial_local(context_.host, to.target, local_buffers_)
                              : relay::dial(context_.host, to.target);
    if (dialled.code != 0) {
        shared_.fds.give(1);
        failed(to, packet, dialled.code, now);
        return;
    }
    if (is_connected(dialled.socket)) {
        connected(key, std::move(dialled.socket), packet, now);
        return;
    }
    Call& call = calls_.claim();
    call.key = key;
    call.packet = packet;
    call.to = to;
    call.socket = std::move(dialled.socket);
    by_key_[key] = &call;
    by_age_.push_back(call);
    counters_.held_syns.set(by_key_.size());
    const int code =
        poller_.add(call.socket, kCallEvents, relay::Tag::of(relay::Kind::kHeldCall, call));
    if (code != 0) {
        failed(to, packet, code, now);
        shared_.fds.give(1);
        end(call);
    }
}

bool HeldCalls::take_place() {
    if (by_key_.size() < limit_ && shared_.fds.take(1)) {
        return true;
    }
    if (by_age_.empty()) {
        return false;
    }
    Call& oldest = *by_age_.front();
    counters_.syn_dropped.add();
    verdicts_.drop(oldest.packet);
    end(oldest);  // its descriptor is paid for, and goes over to the new one
    return true;
}

void HeldCalls::on_event(relay::Tag tag, std::uint32_t /*events*/, std::int64_t now) {
    Call* const call = calls_.find(tag.index, tag.generation);
    if (call == nullptr) {
        return;
    }
    const int code = relay::take_error(call->socket);
    if (code == 0 && !is_connected(call->socket)) {
        return;
    }
    if (code == 0) {
        poller_.remove(call->socket);
        connected(call->key, std::move(call->socket), call->packet, now);
    } else {
        failed(call->to, call->packet, code, now);
        shared_.fds.give(1);
    }
    end(*call);
}

void HeldCalls::connected(const FlowKey& key, sys::Fd socket, const HeldPacket& packet,
                          std::int64_t now) {
    counters_.tcp_opened.add();
    context_.claims.leave(key, std::move(socket), shared_.fds, now);
    verdicts_.pass(packet);
}

void HeldCalls::failed(const Destination& to, const HeldPacket& packet, int code,
                       std::int64_t now) {
    bool drop = false;
    const Mark mark = mark_of(code, drop);
    Count& counter = code == ECONNREFUSED ? counters_.tcp_refused
                     : code == ETIMEDOUT  ? counters_.tcp_timed_out
                     : drop               ? counters_.syn_dropped
                                          : counters_.tcp_unreachable;
    counter.add();
    if (to.dns) {
        counters_.dns_failed.add();
        context_.translation.resolver_failed(to.target, now);
    }
    if (drop) {
        verdicts_.drop(packet);
    } else {
        verdicts_.pass(packet, mark);
    }
}

void HeldCalls::end(Call& call) {
    by_key_.erase(call.key);
    by_age_.remove(call);
    calls_.release(call);  // closes its socket, if it still has it
    counters_.held_syns.set(by_key_.size());
}

}  // namespace rk::gateway
