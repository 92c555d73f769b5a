// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The connections of one worker that the namespace wants to open. Each is a held SYN (its packet
// waits in the kernel) and a socket of the host that is connecting to the real destination:
//
//   SYN -> translated -> calling --connected--> socket left in Claims, SYN passed on
//                |            |---refused, unreachable--> SYN passed on with the mark that says so
//                |            \---timed out-------------> SYN dropped, as the network would
//                \--not to be reached: the same, at once
//
// A SYN that comes again while its call lasts is dropped: TCP repeats it after a second, and the
// first one is still there. A repeated SYN of a call that has succeeded is passed on.
//
// The number of calls is bounded. Where it is reached the oldest is given up, and its SYN dropped:
// in a flood to nowhere a destination that lives answers long before it becomes the oldest.
#pragma once

#include "gateway/context.h"
#include "gateway/verdicts.h"
#include "relay/list.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/slab.h"
#include "relay/tcp_dial.h"
#include "wire/packet_header.h"

#include <cstdint>
#include <unordered_map>

namespace rk::gateway {

class HeldCalls {
 public:
    HeldCalls(Context& context, relay::Shared& shared, relay::Poller& poller, Verdicts& verdicts,
              EgressView& egress, Counters& counters);

    /// A held SYN.
    void on_syn(const wire::TcpSyn& syn, const HeldPacket& packet, std::int64_t now);
    /// An event of a calling socket.
    void on_event(relay::Tag tag, std::uint32_t events, std::int64_t now);

 private:
    struct Call : relay::SlabPlace {
        FlowKey key;
        HeldPacket packet;
        sys::Fd socket;
        Destination to;
        relay::ListLink<Call> by_age;
    };

    void call(const FlowKey& key, const Destination& to, const HeldPacket& packet,
              std::int64_t now);
    [[nodiscard]] bool take_place();
    void connected(const FlowKey& key, sys::Fd socket, const HeldPacket& packet, std::int64_t now);
    void failed(const Destination& to, const HeldPacket& packet, int code, std::int64_t now);
    void end(Call& call);

    Context& context_;
    relay::Shared& shared_;
    relay::Poller& poller_;
    Verdicts& verdicts_;
    EgressView& egress_;
    Counters& counters_;
    relay::LocalBuffers local_buffers_;
    relay::Slab<Call> calls_;
    std::unordered_map<FlowKey, Call*, FlowHash> by_key_;
    relay::List<Call, &Call::by_age> by_age_;  // oldest first
    std::size_t limit_;
};

}  // namespace rk::gateway
