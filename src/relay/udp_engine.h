// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Each published UDP socket belongs to one worker, with all its flows. A flow is (port, client,
// address that was asked) -> a connected socket inside. Traffic of either direction keeps it alive;
// unused for udp_flow_idle_ms it ends. When flows or descriptors have run out, the worker's least
// recently used flow makes room; if it has none, the datagram is dropped and counted.
//
// Datagrams are received in batches, and neighbours of the same flow are sent together
// (udp_sender.h). Empty ones are datagrams like all others. Nothing is ever queued here: what a
// socket does not take at once is dropped, as a network would. A flow may be closed in the middle
// of a batch of events: they find it by place and generation, never by descriptor.
//
// With the gateway of the builtin network (wire::Origin::kGateway) a flow's socket is bound to the
// client's address and port in the gateway's network namespace. Where the namespace refuses, the
// flow falls back, once: it gets a socket inside, connected to the port's second target. What began
// the flow is kept until the first answer, for two seconds or so, and then sent there again. For
// some seconds the port's new flows begin there.
//
// Not done here: source addresses of clients inside (replies would take the default route), and
// telling a client that the service is gone (that takes an ICMP message, which we cannot send).
#pragma once

#include "relay/mailbox.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/udp_batch.h"
#include "relay/udp_flow.h"
#include "relay/udp_sender.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace rk::relay {

/// A published UDP socket of this worker.
struct UdpPort : SlabPlace {
    std::shared_ptr<Port> port;
    Counters* counters = nullptr;
    SocketAddress target;
    std::optional<SocketAddress> fallback;
    std::int64_t refused_until_ms = 0;  // new flows begin at the fallback
    List<UdpFlow, &UdpFlow::of_port> flows;
};

class UdpEngine {
 public:
    UdpEngine(Shared& shared, Poller& poller, unsigned worker)
        : shared_(shared), poller_(poller), worker_(worker) {}

    /// 0 or an errno.
    [[nodiscard]] int add(const std::shared_ptr<Port>& port);
    void remove(std::uint32_t id);

    void on_port(Tag tag, std::int64_t now);
    void on_flow(Tag tag, std::int64_t now);

    /// When the oldest flow ends (milliseconds of now_ms()), -1 without one.
    [[nodiscard]] std::int64_t next_due() const;
    void end_of_batch(std::int64_t now);

 private:
    // Made with the first port: a worker without UDP does without.
    struct Tools {
        explicit Tools(std::size_t most_flows) : table(most_flows) {}
        UdpBatch batch;
        UdpSender sender;
        FlowTable table;
    };

    void forward_in(UdpPort& port, std::span<const Datagram> batch, std::int64_t now);
    void send_in(UdpFlow& flow, std::span<const Datagram> run, SendTally& tally);
    [[nodiscard]] UdpFlow* open_flow(UdpPort& port, const Datagram& first, std::int64_t now);
    [[nodiscard]] sys::Fd call_target(const UdpPort& port, const Datagram& first) const;
    void end_if_refused_for_long(UdpFlow& flow, std::int64_t now);
    [[nodiscard]] bool fall_back(UdpFlow& flow, std::int64_t now);
    void keep(UdpFlow& flow, std::span<const Datagram> run, std::int64_t now);
    void forget(UdpFlow& flow);
    void send_kept(UdpFlow& flow);
    [[nodiscard]] bool take_place();
    [[nodiscard]] bool take_budget();
    void give_budget();
    void touch(UdpFlow& flow, std::int64_t now);
    void close_flow(UdpFlow& flow);
    [[nodiscard]] std::int64_t oldest_end() const;

    Shared& shared_;
    Poller& poller_;
    unsigned worker_;
    std::unique_ptr<Tools> tools_;
    Slab<UdpPort> ports_;
    Slab<UdpFlow> flows_;
    std::size_t flow_count_ = 0;
    std::unordered_map<std::uint32_t, std::vector<UdpPort*>> by_id_;
    List<UdpFlow, &UdpFlow::by_age> by_age_;  // least recently used first
    List<UdpFlow, &UdpFlow::by_keeping> keepers_;
    std::size_t kept_bytes_ = 0;
};

}  // namespace rk::relay
