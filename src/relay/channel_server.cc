// SPDX-License-Identifier: Apache-2.0
#include "relay/channel_server.h"

#include "relay/tcp_dial.h"
#include "relay/udp_batch.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include <sys/socket.h>
#include <unistd.h>

namespace rk::relay {

namespace {

constexpr int kRequestsPerWake = 32;       // then connections get their turn
constexpr std::int64_t kReplyRetryMs = 5;  // a parent that does not read is no reason to spin

int int_option(sys::FdRef socket, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    return ::getsockopt(socket.number(), SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

bool fits(sys::FdRef socket, wire::Transport transport) {
    if (transport == wire::Transport::kTcp) {
        return int_option(socket, SO_TYPE) == SOCK_STREAM && int_option(socket, SO_ACCEPTCONN) == 1;
    }
    return int_option(socket, SO_TYPE) == SOCK_DGRAM;
}

}  // namespace

ChannelServer::ChannelServer(Shared& shared, const RelayParts& parts, sys::Fd channel)
    : shared_(shared), parts_(parts), channel_(std::move(channel)) {}

void ChannelServer::on_request() {
    for (int i = 0; i < kRequestsPerWake && replies_.size() < kMaxQueuedReplies; ++i) {
        if (!serve_next()) {
            return;
        }
    }
}

bool ChannelServer::serve_next() {
    auto received = sys::receive_packet_with(channel_, wire::kMaxRelayPacket);
    if (!received && received.error().code == EMSGSIZE) {
        // Descriptors did not fit: its sender waits in vain, but this process lives on.
        log(static_cast<std::uint8_t>(LogLevel::kWarning), "published ports: a request was lost");
        return true;
    }
    if (!received || (*received && (*received)->packet.empty())) {
        ended_ = true;
        outcome_ = received ? Result<void>{} : fail(std::move(received).error());
        return false;
    }
    if (!*received) {
        return false;
    }
    auto message = wire::decode_relay((*received)->packet);
    if (!message) {
        ended_ = true;
        outcome_ = fail(std::move(message).error());
        return false;
    }
    if (const auto* add = std::get_if<wire::AddPort>(&*message)) {
        serve(*add, std::move((*received)->descriptors));
    } else if (const auto* remove = std::get_if<wire::RemovePort>(&*message)) {
        serve(*remove);
    } else if (const auto* stats = std::get_if<wire::GetStats>(&*message)) {
        serve(*stats);
    } else if (const auto* tell = std::get_if<wire::Tell>(&*message)) {
        serve(*tell);
    }
    return true;
}

Result<std::shared_ptr<Port>> ChannelServer::make_port(const wire::AddPort& request,
                                                       std::vector<sys::Fd> descriptors) {
    if (descriptors.size() != 1 || !fits(descriptors.front(), request.transport)) {
        return fail(errno_error(EINVAL, "publish a port without its socket"));
    }
    if (request.id >= kFirstLocalPort) {
        return fail(errno_error(EINVAL, "publish a port under a local id"));
    }
    if (request.origin == wire::Origin::kGateway && shared_.sources.gateway == nullptr) {
        return fail(errno_error(EINVAL, "publish a port through a gateway that is not there"));
    }
    auto port = std::make_shared<Port>();
    port->id = request.id;
    port->transport = request.transport;
    port->socket = std::move(descriptors.front());
    port->target = request.target;
    port->transparency.on = request.transparent;
    port->origin = request.origin;
    port->fallback = request.fallback;
    port->fallback_transparency.on = request.fallback_transparent;
    port->owner = next_owner_++ % shared_.workers;
    prepare_port(*port);
    return port;
}

void ChannelServer::serve(const wire::AddPort& request, std::vector<sys::Fd> descriptors) {
    auto port = make_port(request, std::move(descriptors));
    if (!port) {
        answer(request.request, static_cast<std::uint32_t>(port.error().code),
               port.error().message);
        return;
    }
    Entry& entry = ports_[request.id];
    if (entry.totals == nullptr) {
        entry.totals = std::make_shared<PortTotals>(request.id, shared_.workers);
    }
    ++entry.sockets;
    (*port)->totals = entry.totals;
    shared_.fds.charge(1);
    for (const auto& mailbox : shared_.mailboxes) {
        mailbox->post(AddCommand{*port});
    }
    answer(request.request, 0, {});
}

void ChannelServer::serve(const wire::RemovePort& request) {
    const auto found = ports_.find(request.id);
    if (found == ports_.end()) {
        answer(request.request, ENOENT, fmt::format("unknown id: {}", request.id));
        return;
    }
    shared_.fds.give(found->second.sockets);
    ports_.erase(found);
    const auto left = std::make_shared<std::atomic<unsigned>>(shared_.workers);
    for (const auto& mailbox : shared_.mailboxes) {
        mailbox->post(RemoveCommand{request.id, request.request, left});
    }
}

void prepare_port(Port& port) {
    port.family = int_option(port.socket, SO_DOMAIN);
    if (port.transport == wire::Transport::kTcp) {
        prepare_listener(port.socket);
    } else {
        prepare_udp_socket(port.socket, port.family);
    }
}

void ChannelServer::removed(std::uint32_t request) {
    answer(request, 0, {});
}

void ChannelServer::serve(const wire::GetStats& request) {
    wire::Stats stats;
    stats.request = request.request;
    stats.health = health();
    for (const auto& [id, entry] : ports_) {
        if (stats.ports.size() == wire::kPortsPerStats) {
            stats.more = true;
            queue(stats);
            stats.more = false;
            stats.ports.clear();
        }
        stats.ports.push_back(entry.totals->sum());
    }
    for (const auto& port : parts_.local_ports) {
        stats.local_ports.push_back(port->totals->sum());
        stats.local_ports.back().id = static_cast<int>(port->id - kFirstLocalPort);
    }
    if (parts_.extra_stats) {
        stats.extra = parts_.extra_stats();
    }
    queue(stats);
}

void ChannelServer::serve(const wire::Tell& request) {
    if (!parts_.on_tell) {
        answer(request.request, EOPNOTSUPP, {});
        return;
    }
    const Result<void> done = parts_.on_tell(request.text);
    if (done) {
        answer(request.request, 0, {});
        return;
    }
    const int code = done.error().code;
    answer(request.request, static_cast<std::uint32_t>(code > 0 ? code : EINVAL),
           done.error().message);
}

model::RelayHealth ChannelServer::health() const {
    model::RelayHealth health{.running = true, .pid = ::getpid()};
    health.open_connections = shared_.connections.used();
    for (const auto& count : shared_.flow_count) {
        health.udp_flows += count.load(std::memory_order_relaxed);
    }
    health.open_fds = shared_.fds.used();
    health.fd_limit = shared_.fds.limit();
    return health;
}

void ChannelServer::log(std::uint8_t level, std::string text) {
    if (replies_.size() < kMaxQueuedReplies) {
        queue(wire::LogLine{.level = level, .text = std::move(text)});
    }
}

void ChannelServer::answer(std::uint32_t request, std::uint32_t code, std::string message) {
    queue(wire::Done{.request = request, .code = code, .message = std::move(message)});
}

void ChannelServer::queue(const wire::RelayMessage& message) {
    replies_.push_back(wire::encode(message));
    flush();
}

void ChannelServer::flush() {
    retry_ms_ = -1;
    while (!replies_.empty()) {
        const std::string& next = replies_.front();
        if (::send(channel_.number(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                retry_ms_ = now_ms() + kReplyRetryMs;
                return;
            }
            replies_.clear();  // the parent is gone, which the next read tells
            return;
        }
        replies_.pop_front();
    }
}

}  // namespace rk::relay
