// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The datagrams of one worker. The first one of a flow comes to a transparent socket, which tells
// whom it was meant for. Then two connected sockets carry the flow, so that neither direction ever
// looks at an address again: `inside` speaks as the remote endpoint to the namespace, `outside` is
// a socket of the host. All flows of one inside endpoint have the same port outside (each has a
// socket of its own on it, SO_REUSEPORT), which makes the mapping endpoint-independent; the
// kernel passes on only what comes from where the namespace has sent something (RFC 4787's
// address- and port-dependent filtering).
//
// The first socket of a mapping is bound without SO_REUSEPORT: so the kernel picks a port nobody
// has, not even another mapping of ours.
//
// A question to the name server needs no socket inside, its answer leaves from the name server's
// own; nor a mapping. It ends soon after as many answers as questions have come.
//
// Nothing is queued here; what a socket does not take at once is dropped, as a network would. Where
// the flows or descriptors have run out, the worker's least recently used flow makes room.
#pragma once

#include "gateway/context.h"
#include "gateway/udp_errors.h"
#include "gateway/udp_flow.h"
#include "relay/list.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/slab.h"
#include "relay/udp_batch.h"
#include "relay/udp_sender.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

namespace rk::gateway {

class UdpNat {
 public:
    UdpNat(Context& context, relay::Shared& shared, relay::Poller& poller,
           const WorkerSockets& sockets, EgressView& egress, Counters& counters);

    [[nodiscard]] Result<void> prepare();
    void on_event(relay::Tag tag, std::int64_t now);
    [[nodiscard]] std::int64_t next_due() const;
    void end_of_batch(std::int64_t now);

 private:
    /// A socket that first datagrams come to; the index of its tag.
    struct Front {
        sys::FdRef socket;
        int family;
        bool dns;
    };

    void on_front(const Front& front, std::int64_t now);
    void forward_first(const Front& front, std::span<const relay::Datagram> run, std::int64_t now);
    void on_inside(UdpFlow& flow, std::int64_t now);
    void on_outside(UdpFlow& flow, std::int64_t now);
    void send_out(UdpFlow& flow, std::span<const relay::Datagram> datagrams, std::int64_t now);

    [[nodiscard]] UdpFlow* open(const FlowKey& key, const Front& front, std::int64_t now);
    void refused(const UdpFlow& flow, std::int64_t now);
    [[nodiscard]] bool open_outside(UdpFlow& flow, const Destination& to);
    [[nodiscard]] bool map(UdpFlow& flow, int family);
    [[nodiscard]] bool open_inside(UdpFlow& flow);
    [[nodiscard]] bool watch(UdpFlow& flow);
    [[nodiscard]] bool take_place();
    void touch(UdpFlow& flow, UdpPatience patience, std::int64_t now);
    void close(UdpFlow& flow);

    using ByAge = relay::List<UdpFlow, &UdpFlow::by_age>;
    [[nodiscard]] ByAge& list_of(UdpPatience patience) {
        return by_age_.at(static_cast<std::size_t>(patience));
    }

    Context& context_;
    relay::Shared& shared_;
    relay::Poller& poller_;
    EgressView& egress_;
    Counters& counters_;
    UdpErrors errors_;
    std::array<Front, 4> fronts_;
    std::unique_ptr<relay::UdpBatch> batch_;
    relay::UdpSender sender_;
    relay::Slab<UdpFlow> flows_;
    std::unordered_map<FlowKey, UdpFlow*, FlowHash> by_key_;
    std::unordered_map<model::Endpoint, UdpMapping, FlowHash> mappings_;
    std::array<ByAge, kUdpPatiences> by_age_;  // each: the one that ends first is the first
    std::size_t limit_;
};

}  // namespace rk::gateway
