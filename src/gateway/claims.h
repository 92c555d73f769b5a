// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A held connection is called outside first. Once that socket is connected, the SYN goes on, and
// after TCP's handshake inside the relay accepts a socket. Here the two meet: the one that called
// leaves its socket under the 4-tuple, the one that accepts claims it. Any worker may do either.
//
// A connection that was left and is not claimed in kUnclaimedMs is closed: who asked for it has
// gone. A connection that finds nothing (the kernel cannot hold SYNs) is told where to call.
#pragma once

#include "gateway/egress_gate.h"
#include "gateway/flow_key.h"
#include "gateway/translation.h"
#include "relay/onward.h"
#include "relay/shared.h"
#include "sys/fd.h"

#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_map>

namespace rk::gateway {

class Claims final : public relay::OnwardChooser {
 public:
    Claims(Translation& translation, const EgressGate& egress, const FlowHash& hash)
        : translation_(translation), egress_(egress), waiting_(0, hash) {}

    /// Leaves a connected socket, which has been paid for in `fds`.
    void leave(const FlowKey& key, sys::Fd connected, relay::Budget& fds, std::int64_t now);
    [[nodiscard]] bool holds(const FlowKey& key);
    [[nodiscard]] relay::Onward choose(sys::FdRef accepted, const model::Endpoint& peer,
                                       std::int64_t now) override;
    /// Closes what nobody has claimed in time. When the next one ends, 0 where there is none.
    std::int64_t expire(std::int64_t now);

 private:
    struct Left {
        sys::Fd socket;
        relay::Budget* fds = nullptr;
        std::int64_t since_ms = 0;
    };
    /// Closes what was left first, unless it has been claimed.
    void end_first_turn();
    [[nodiscard]] bool allows(const model::Endpoint& asked, const model::Endpoint& real);

    struct Turn {
        FlowKey key;
        std::int64_t since_ms = 0;
    };

    Translation& translation_;
    std::mutex mutex_;
    EgressView egress_;
    std::unordered_map<FlowKey, Left, FlowHash> waiting_;
    std::deque<Turn> turns_;  // oldest first; what was claimed is skipped when its turn comes
};

}  // namespace rk::gateway
