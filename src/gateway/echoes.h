// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// An echo request to the world waits in the queue while we send one of the same size from a ping
// socket (icmp(7), allowed to the groups of net.ipv4.ping_group_range). When the answer has come,
// the held request goes on, and the gateway's kernel, to which every address is its own, answers it
// from the address that was asked. So no ICMP message is ever put together here, and no answer
// comes that the network has not given. Without an answer in kEchoPatienceMs the request is
// dropped; where ping sockets are not allowed it is rejected.
#pragma once

#include "gateway/context.h"
#include "gateway/verdicts.h"
#include "relay/list.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/slab.h"
#include "wire/packet_header.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace rk::gateway {

class Echoes {
 public:
    Echoes(Context& context, relay::Shared& shared, relay::Poller& poller, Verdicts& verdicts,
           EgressView& egress, Counters& counters)
        : context_(context),
          shared_(shared),
          poller_(poller),
          verdicts_(verdicts),
          egress_(egress),
          counters_(counters) {}

    void on_request(const wire::EchoRequest& request, const HeldPacket& packet, std::int64_t now);
    void on_event(relay::Tag tag);
    [[nodiscard]] std::int64_t next_due() const;
    void end_of_batch(std::int64_t now);

 private:
    struct Echo : relay::SlabPlace {
        HeldPacket packet;
        sys::Fd socket;
        std::int64_t since_ms = 0;
        relay::ListLink<Echo> by_age;
    };

    void refuse(const HeldPacket& packet, int code);
    void end(Echo& echo);

    Context& context_;
    relay::Shared& shared_;
    relay::Poller& poller_;
    Verdicts& verdicts_;
    EgressView& egress_;
    Counters& counters_;
    relay::Slab<Echo> echoes_;
    relay::List<Echo, &Echo::by_age> by_age_;  // oldest first
    std::size_t count_ = 0;
};

}  // namespace rk::gateway
