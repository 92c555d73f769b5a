// SPDX-License-Identifier: Apache-2.0
#include "relay/tcp_engine.h"

#include "relay/socket_address.h"
#include "relay/tcp_events.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace rk::relay {

namespace {

constexpr std::uint32_t kListenerEvents = EPOLLIN | EPOLLEXCLUSIVE;
// accept(2) passes errors of the connection it would have returned; the next one may be sound.
bool died_in_queue(int code) {
    return code == ECONNABORTED || code == EINTR || code == EPROTO || code == ENETDOWN ||
           code == ENETUNREACH || code == EHOSTDOWN || code == EHOSTUNREACH || code == ENOPROTOOPT;
}

}  // namespace

int TcpEngine::add(const std::shared_ptr<Port>& port) {
    TcpPort& slot = ports_.claim();
    slot.port = port;
    slot.counters = &port->totals->of(worker_);
    const int code = poller_.add(port->socket, kListenerEvents, Tag::of(Kind::kListener, slot));
    if (code != 0) {
        ports_.release(slot);
        return code;
    }
    by_id_[port->id].push_back(&slot);
    by_port_[port.get()] = &slot;
    return 0;
}

void TcpEngine::remove(std::uint32_t id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) {
        return;
    }
    for (TcpPort* slot : found->second) {
        poller_.remove(slot->port->socket);
        while (Connection* connection = slot->connections.front()) {
            doom(*connection, Ending::kOrderly);
        }
        resting_.remove(*slot);
        by_port_.erase(slot->port.get());
    }
    close_doomed();  // they refer to the slots
    for (TcpPort* slot : found->second) {
        ports_.release(*slot);
    }
    by_id_.erase(found);
}

void TcpEngine::on_listener(Tag tag) {
    TcpPort* const slot = ports_.find(tag.index, tag.generation);
    if (slot == nullptr) {
        return;
    }
    for (int i = 0; i < kAcceptsPerWake; ++i) {
        if (!shared_.connections.take(1)) {
            rest(*slot, 0);
            return;
        }
        if (!shared_.fds.take(2)) {
            shared_.connections.give(1);
            rest(*slot, EMFILE);
            return;
        }
        SocketAddress peer;
        sys::Fd client(::accept4(slot->port->socket.number(), &peer.any, &peer.length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (client.valid()) {
            begin(*slot, std::move(client), peer.endpoint());
            continue;
        }
        const int code = errno;
        shared_.connections.give(1);
        shared_.fds.give(2);
        if (code == EAGAIN) {
            return;
        }
        if (!died_in_queue(code)) {
            rest(*slot, code);
            return;
        }
    }
}

// Level-triggered, a starved listener would wake the worker without end.
void TcpEngine::rest(TcpPort& port, int code) {
    const std::int64_t now = now_ms();
    pump_.stores().shrink();
    shared_.sources.each([](SocketSource& source) { source.shrink(); });
    if (!port.resting.listed) {
        poller_.remove(port.port->socket);
        resting_.push_back(port);
        rested_ms_ = now + kStarvedPauseMs;
    }
    if (code == 0) {
        return;
    }
    port.counters->errors.add(1);
    std::int64_t logged = shared_.starved_logged_ms.load();
    if (now - logged >= kStarvedLogMs &&
        shared_.starved_logged_ms.compare_exchange_strong(logged, now)) {
        shared_.log(LogLevel::kWarning,
                    fmt::format("published ports: {}; new connections wait until others end "
                                "(limit {} descriptors)",
                                errno_text(code), shared_.fds.limit()));
    }
}

void TcpEngine::wake_rested(std::int64_t now) {
    if (resting_.empty() || now < rested_ms_) {
        return;
    }
    while (TcpPort* port = resting_.pop_front()) {
        static_cast<void>(
            poller_.add(port->port->socket, kListenerEvents, Tag::of(Kind::kListener, *port)));
    }
}

void TcpEngine::begin(TcpPort& port, sys::Fd client, const model::Endpoint& peer) {
    port.counters->accepted.add(1);
    const unsigned idlest = idlest_worker();
    shared_.load.at(idlest).fetch_add(1, std::memory_order_relaxed);
    if (idlest != worker_) {
        shared_.mailboxes.at(idlest)->post(AdoptCommand{port.port, std::move(client), peer});
        return;
    }
    start(port, std::move(client), peer);
}

unsigned TcpEngine::idlest_worker() const {
    unsigned idlest = worker_;
    std::uint32_t least = shared_.load.at(worker_).load(std::memory_order_relaxed);
    least -= std::min(least, kLoadImbalance);
    for (unsigned i = 0; i < shared_.workers; ++i) {
        const std::uint32_t load = shared_.load.at(i).load(std::memory_order_relaxed);
        if (load < least) {
            least = load;
            idlest = i;
        }
    }
    return idlest;
}

void TcpEngine::adopt(AdoptCommand&& command) {
    const auto found = by_port_.find(command.port.get());
    if (found != by_port_.end()) {
        start(*found->second, std::move(command.client), command.peer);
        return;
    }
    // The port was removed in between.
    command.port->totals->of(worker_).closed.add(1);
    command.client.reset();
    shared_.load.at(worker_).fetch_sub(1, std::memory_order_relaxed);
    shared_.connections.give(1);
    shared_.fds.give(2);
}

void TcpEngine::on_socket(Tag tag, std::uint32_t events) {
    Connection* const connection = connections_.find(tag.index, tag.generation);
    if (connection == nullptr || connection->state == State::kDoomed) {
        return;
    }
    const Way which = tag.kind == Kind::kClient ? kIn : kOut;
    Side& side = connection->sides.at(which);
    if ((events & (EPOLLRDHUP | kBroken)) != 0) {
        side.hung_up = true;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | kBroken)) != 0) {
        side.readable = true;
    }
    if ((events & (EPOLLOUT | kBroken)) != 0) {
        side.writable = true;
    }
    if (connection->state == State::kConnecting) {
        if (which == kOut) {
            on_called(*connection, events);
        } else if ((events & kBroken) != 0) {
            doom(*connection, Ending::kReset);  // the client gave up
        }
    }
    if (connection->state == State::kOpen) {
        move(*connection);
        if ((events & EPOLLERR) != 0) {
            doom(*connection, Ending::kReset);  // also where nothing was to be moved
        }
    }
}

// Both directions run before an error ends the connection: what a dying side still had to say is
// passed on.
void TcpEngine::move(Connection& connection) {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    const Pump::Outcome outcome_in = pump_.run(connection, kIn, in);
    const Pump::Outcome outcome_out = pump_.run(connection, kOut, out);
    if (in > 0) {
        connection.port->counters->bytes_in.add(in);
    }
    if (out > 0) {
        connection.port->counters->bytes_out.add(out);
    }
    if (outcome_in == Pump::Outcome::kBroken || outcome_out == Pump::Outcome::kBroken) {
        doom(connection, Ending::kReset);
        return;
    }
    if (connection.ways[kIn].done && connection.ways[kOut].done) {
        doom(connection, Ending::kOrderly);
        return;
    }
    if ((outcome_in == Pump::Outcome::kMore || outcome_out == Pump::Outcome::kMore) &&
        !connection.queued.listed) {
        unfinished_.push_back(connection);
    }
    watch_blocked(connection);
}

void TcpEngine::watch_blocked(Connection& connection) {
    for (const Way which : {kIn, kOut}) {
        Side& side = connection.sides.at(which);
        if (side.writable || side.watches_out) {
            continue;
        }
        // Changing the events reports what holds now, so nothing is missed.
        side.watches_out = true;
        if (poller_.change(side.fd, kFullEvents, tag_of(connection, which)) != 0) {
            doom(connection, Ending::kReset);
            return;
        }
    }
}

std::int64_t TcpEngine::next_due() const {
    if (!unfinished_.empty() || !doomed_.empty()) {
        return 0;
    }
    std::int64_t due = resting_.empty() ? -1 : rested_ms_;
    for (const auto& calls : calls_) {
        const Connection* const first = calls.front();
        if (first != nullptr && (due < 0 || first->dial_deadline_ms < due)) {
            due = first->dial_deadline_ms;
        }
    }
    return due;
}

void TcpEngine::end_of_batch(std::int64_t now) {
    List<Connection, &Connection::queued> again;
    std::swap(again, unfinished_);
    while (Connection* connection = again.pop_front()) {
        move(*connection);
    }
    expire_calls(now);
    close_doomed();
    wake_rested(now);
}

void TcpEngine::doom(Connection& connection, Ending ending) {
    if (connection.state == State::kDoomed) {
        return;
    }
    connection.state = State::kDoomed;
    calls_like(connection.call).remove(connection);
    connection.port->connections.remove(connection);
    unfinished_.remove(connection);
    doomed_.push_back(connection);
    for (Side& side : connection.sides) {
        if (ending == Ending::kReset && side.fd.valid()) {
            reset_on_close(side.fd);
        }
    }
}

void TcpEngine::close_doomed() {
    bool any = false;
    while (Connection* connection = doomed_.pop_front()) {
        for (Direction& way : connection->ways) {
            pump_.discard(way);
        }
        connection->port->counters->closed.add(1);
        connections_.release(*connection);  // closes its sockets
        shared_.load.at(worker_).fetch_sub(1, std::memory_order_relaxed);
        shared_.connections.give(1);
        shared_.fds.give(2);
        any = true;
    }
    if (any) {
        rested_ms_ = 0;  // descriptors are back
    }
}

}  // namespace rk::relay
