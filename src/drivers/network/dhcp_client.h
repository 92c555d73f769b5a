// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The client's side of DHCP for IPv4 (RFC 2131, figure 5, without INIT-REBOOT) as a pure state
// machine: what happens comes in as calls that carry the time, what is to be done goes out as a
// value. Who owns it has the socket and the clock, and calls on_time() at next().
//
//   kSelecting --OFFER--> kRequesting --ACK--> kBound --T1--> kRenewing --T2--> kRebinding
//     ^    ^                  |                 ^                |   |             |   |
//     |    +--NAK, no answer--+                 +------ACK-------+---|------ACK----+   |
//     +---------------------------- NAK, or the lease has ended -----+-----------------+
//
// Without an answer a message is sent again: in the first two states after 1, 2, 4 ... 64 seconds,
// each off by up to a quarter at random (4.1: the delay is to suit the network, and this one does
// not leave the machine); in the next two after half of what is left of the state (4.4.5). A lease
// counts from the moment its request was sent.
//
// An answer counts only with our transaction number and our hardware address. The number is drawn
// anew for every exchange. Servers are believed in what they offer; anybody on the bridge can be
// one.
#pragma once

#include "model/endpoint.h"
#include "model/mac_address.h"
#include "wire/dhcp_message.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

/// What a server has granted.
struct DhcpLease {
    model::IpAddress address;
    std::uint8_t prefix = 0;
    model::IpAddress gateway;
    std::vector<model::IpAddress> dns;  // at least one
    model::IpAddress server;
    std::optional<std::chrono::seconds> duration;  // none: for ever

    /// Whether the interface has to be set up in the same way.
    [[nodiscard]] bool same_setup(const DhcpLease& other) const {
        return address == other.address && prefix == other.prefix && gateway == other.gateway &&
               dns == other.dns;
    }
};

/// Something to send. `to_server`: from the lease's address to the server that granted it; else a
/// broadcast from 0.0.0.0, or from the lease's address where there is one.
struct DhcpPacket {
    wire::DhcpQuery query;
    bool to_server = false;
};

enum class DhcpEvent {
    kGranted,     // a lease, the first, a renewed or another one: lease()
    kUnanswered,  // nobody has answered a renewal; it goes on
    kRefused,     // a server said no (`reason`); it begins anew, without a lease
    kLost,        // the lease has ended without a renewal; it begins anew
    kUnusable,    // an answer that lacks what is needed (`reason`); ignored
};

struct DhcpOutput {
    std::optional<DhcpPacket> packet;
    std::optional<DhcpEvent> event;
    std::string reason;
};

class DhcpClient {
 public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    using Random = std::function<std::uint32_t()>;
    enum class State { kSelecting, kRequesting, kBound, kRenewing, kRebinding };

    DhcpClient(const model::MacAddress& mac, Random random)
        : mac_(mac), random_(std::move(random)) {}

    /// Once, before the others.
    [[nodiscard]] DhcpOutput start(Time now) { return begin(now); }
    [[nodiscard]] DhcpOutput on_reply(const wire::DhcpReply& reply, Time now);
    [[nodiscard]] DhcpOutput on_time(Time now);
    /// When on_time() has something to do; empty: never.
    [[nodiscard]] std::optional<Time> next() const { return next_; }

    /// Gives the lease back (4.4.6); nothing where there is none.
    [[nodiscard]] std::optional<DhcpPacket> release();

    [[nodiscard]] State state() const { return state_; }
    /// Whether an answer may come: not while it is bound.
    [[nodiscard]] bool listens() const { return state_ != State::kBound; }
    /// Where there is one now.
    [[nodiscard]] const std::optional<DhcpLease>& lease() const { return lease_; }

 private:
    [[nodiscard]] DhcpOutput begin(Time now);
    [[nodiscard]] DhcpOutput discover(Time now);
    [[nodiscard]] DhcpOutput request(Time now);
    [[nodiscard]] DhcpOutput renew(Time now);
    [[nodiscard]] DhcpOutput lose(Time now);
    [[nodiscard]] DhcpOutput on_offer(const wire::DhcpReply& reply, Time now);
    [[nodiscard]] DhcpOutput on_ack(const wire::DhcpReply& reply, Time now);
    [[nodiscard]] DhcpOutput on_nak(const wire::DhcpReply& reply, Time now);
    void hold(DhcpLease lease, const wire::DhcpReply& reply, Time now);
    [[nodiscard]] wire::DhcpQuery query(wire::DhcpType type) const;
    [[nodiscard]] std::chrono::milliseconds retransmission();

    model::MacAddress mac_;
    Random random_;
    State state_ = State::kSelecting;
    std::uint32_t transaction_ = 0;
    unsigned attempts_ = 0;  // messages of this state sent so far
    unsigned refusals_ = 0;  // NAKs since the last lease
    std::optional<Time> next_;
    Time sent_;  // the latest request

    model::IpAddress offered_;  // kRequesting
    model::IpAddress offering_server_;
    std::optional<model::IpAddress> wished_;  // the address of the lease before
    std::optional<DhcpLease> lease_;          // from kBound on; fills in what an answer leaves out
    std::chrono::milliseconds least_wait_{0};
    Time rebind_at_;  // T2
    Time expires_;
};

}  // namespace rk::drivers
