// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// One engine a worker. Every listener is in every worker's epoll (EPOLLEXCLUSIVE, so that one
// worker wakes for a new connection); a connection then belongs to one worker for life. The one
// that accepts hands it over at once where another worker has fewer.
//
//   accept -> kConnecting --connected--> kOpen --both FINs passed, or an error--> kDoomed -> closed
//                |  |--failed as the client's address: once more as ourselves
//                |  \--not there, seen from the gateway: once more from inside, at the fallback
//                \--refused, failed, timed out: reset to the client --> kDoomed
//
// A port with a chooser (onward.h) asks it for each connection. What it says is connected already
// is kOpen at once.
//
// Descriptors are taken from the shared budget *before* accept(2): where they have run out, clients
// wait in the kernel's queue, the listener leaves this worker's epoll for kStarvedPauseMs, and
// nothing is lost. Errors of one socket reach the other one as a reset, never as a clean end.
//
// A doomed connection is closed at the end of the batch of events, and its place in the slab then
// changes generation. Not done here: name resolution, PROXY protocol, idle timeouts (the original
// has none).
#pragma once

#include "relay/mailbox.h"
#include "relay/onward.h"
#include "relay/poller.h"
#include "relay/shared.h"
#include "relay/tcp_connection.h"
#include "relay/tcp_dial.h"
#include "relay/tcp_pump.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace rk::relay {

/// A TCP listener as one worker sees it.
struct TcpPort : SlabPlace {
    std::shared_ptr<Port> port;
    Counters* counters = nullptr;  // this worker's
    List<Connection, &Connection::of_port> connections;
    ListLink<TcpPort> resting;
};

class TcpEngine {
 public:
    TcpEngine(Shared& shared, Poller& poller, unsigned worker)
        : shared_(shared),
          poller_(poller),
          worker_(worker),
          local_buffers_(grants_local_buffers()),
          pump_(shared) {}

    /// 0 or an errno.
    [[nodiscard]] int add(const std::shared_ptr<Port>& port);
    /// Stops listening and dooms every connection of the id.
    void remove(std::uint32_t id);
    /// A connection that another worker accepted.
    void adopt(AdoptCommand&& command);

    void on_listener(Tag tag);
    void on_socket(Tag tag, std::uint32_t events);

    /// When on_time() is due (milliseconds of now_ms()), or -1. 0: there is work left over.
    [[nodiscard]] std::int64_t next_due() const;
    /// Timers and what the budgets left over, then the closing of what is doomed.
    void end_of_batch(std::int64_t now);

 private:
    enum class Ending : std::uint8_t { kOrderly, kReset };

    void rest(TcpPort& port, int code);
    void wake_rested(std::int64_t now);
    void begin(TcpPort& port, sys::Fd client, const model::Endpoint& peer);
    [[nodiscard]] unsigned idlest_worker() const;
    void start(TcpPort& port, sys::Fd client, const model::Endpoint& peer);
    void start_chosen(Connection& connection, OnwardChooser& chooser);
    [[nodiscard]] bool is_for_ipv6(const Port& port, const model::Endpoint& peer) const;
    void call_target(Connection& connection);
    void call_service(Connection& connection, Call call);
    [[nodiscard]] std::int64_t patience_for(Call call) const;
    [[nodiscard]] Dial dial_for(const Connection& connection) const;
    [[nodiscard]] static Transparency& transparency_of(const Connection& connection);
    [[nodiscard]] List<Connection, &Connection::dialling>& calls_like(Call call) {
        return calls_.at(static_cast<std::size_t>(call));
    }
    void on_called(Connection& connection, std::uint32_t events);
    void on_call_failed(Connection& connection, int code);
    void expire_calls(std::int64_t now);
    void move(Connection& connection);
    void watch_blocked(Connection& connection);
    void doom(Connection& connection, Ending ending);
    void close_doomed();

    Shared& shared_;
    Poller& poller_;
    unsigned worker_;
    bool local_buffers_;
    Pump pump_;
    Slab<TcpPort> ports_;
    Slab<Connection> connections_;
    std::unordered_map<std::uint32_t, std::vector<TcpPort*>> by_id_;
    std::unordered_map<const Port*, TcpPort*> by_port_;
    std::array<List<Connection, &Connection::dialling>, kCalls> calls_;  // each by deadline
    List<Connection, &Connection::queued> unfinished_;
    List<Connection, &Connection::queued> doomed_;
    List<TcpPort, &TcpPort::resting> resting_;
    std::int64_t rested_ms_ = 0;
};

}  // namespace rk::relay
