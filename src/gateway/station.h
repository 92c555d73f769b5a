// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// What of the builtin network lives in one worker of the relay: its queue of held packets, which
// are SYNs (held_calls.h) and echo requests (echoes.h), and its UDP flows (udp_nat.h). Accepted
// connections are the relay's own business; it asks Claims where they lead to.
//
// The queue outlives the relay. What one that died has read and not decided is held for ever, and
// counts: after a few deaths no packet would find room. The first packet that the next one reads
// tells what that is: everything before it.
#pragma once

#include "gateway/context.h"
#include "gateway/echoes.h"
#include "gateway/held_calls.h"
#include "gateway/udp_nat.h"
#include "gateway/verdicts.h"
#include "relay/guest.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace rk::gateway {

class Station final : public relay::Guest {
 public:
    /// `context` outlives it.
    Station(Context& context, relay::Shared& shared, relay::Poller& poller, unsigned worker);

    [[nodiscard]] Result<void> prepare() override;
    void on_event(relay::Tag tag, std::uint32_t events, std::int64_t now) override;
    [[nodiscard]] std::int64_t next_due() const override;
    void end_of_batch(std::int64_t now) override;

 private:
    void on_queue(std::int64_t now);
    void on_packet(const wire::QueuedPacket& packet, std::int64_t now);

    Context& context_;
    relay::Poller& poller_;
    sys::FdRef queue_;
    Verdicts verdicts_;
    EgressView egress_;
    HeldCalls calls_;
    Echoes echoes_;
    UdpNat udp_;
    bool inherited_dropped_ = false;
    std::int64_t claims_due_ms_ = 0;
    std::array<std::byte, 8192> room_{};  // one datagram from the queue
};

}  // namespace rk::gateway
