// SPDX-License-Identifier: Apache-2.0
#include "gateway/claims.h"

#include "gateway/limits.h"
#include "relay/socket_address.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <sys/socket.h>

namespace rk::gateway {

namespace {

// With a transparent socket its own address is what the client has asked for.
std::optional<model::Endpoint> asked_of(sys::FdRef accepted) {
    relay::SocketAddress address;
    if (::getsockname(accepted.number(), &address.any, &address.length) < 0) {
        return std::nullopt;
    }
    return address.endpoint();
}

}  // namespace

void Claims::leave(const FlowKey& key, sys::Fd connected, relay::Budget& fds, std::int64_t now) {
    const std::lock_guard lock(mutex_);
    const std::size_t most =
        std::clamp<std::size_t>(fds.limit() / kHeldShareOfFds, 1, kMaxUnclaimed);
    while (waiting_.size() >= most && !turns_.empty()) {
        end_first_turn();
    }
    Left& left = waiting_[key];
    if (left.fds != nullptr) {
        left.fds->give(1);  // a second call for the same connection: the newer one counts
    }
    left = {.socket = std::move(connected), .fds = &fds, .since_ms = now};
    turns_.push_back({.key = key, .since_ms = now});
}

bool Claims::holds(const FlowKey& key) {
    const std::lock_guard lock(mutex_);
    return waiting_.find(key) != waiting_.end();
}

bool Claims::allows(const model::Endpoint& asked, const model::Endpoint& real) {
    const std::lock_guard lock(mutex_);
    return egress_.decide(model::EgressProtocol::kTcp, asked, real) == model::EgressAction::kAllow;
}

relay::Onward Claims::choose(sys::FdRef accepted, const model::Endpoint& peer, std::int64_t now) {
    relay::Onward onward;
    const auto asked = asked_of(accepted);
    if (!asked) {
        onward.refusal = errno;
        return onward;
    }
    {
        const std::lock_guard lock(mutex_);
        const auto found = waiting_.find(FlowKey{peer, *asked});
        if (found != waiting_.end()) {
            onward.connected = std::move(found->second.socket);
            onward.target = *asked;
            found->second.fds->give(1);
            waiting_.erase(found);
            return onward;
        }
    }
    const Destination to = translation_.of(*asked, now);
    onward.target = to.target;
    onward.refusal = to.refusal != 0 || allows(*asked, to.target) ? to.refusal : EACCES;
    return onward;
}

void Claims::end_first_turn() {
    const auto found = waiting_.find(turns_.front().key);
    if (found != waiting_.end() && found->second.since_ms == turns_.front().since_ms) {
        found->second.fds->give(1);
        waiting_.erase(found);
    }
    turns_.pop_front();
}

std::int64_t Claims::expire(std::int64_t now) {
    const std::lock_guard lock(mutex_);
    while (!turns_.empty() && turns_.front().since_ms + kUnclaimedMs <= now) {
        end_first_turn();
    }
    return turns_.empty() ? 0 : turns_.front().since_ms + kUnclaimedMs;
}

}  // namespace rk::gateway
