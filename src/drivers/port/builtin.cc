// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/builtin.h"

#include "drivers/port/entries.h"
#include "sys/sockaddr.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>

namespace rk::drivers {

namespace {

// The lowest number a copy of an inherited socket gets: past the standard descriptors.
constexpr int kLowestDescriptor = 3;

Result<Listener> copy_of(const InheritedSocket& inherited) {
    Listener listener;
    listener.socket =
        sys::Fd(::fcntl(inherited.socket.number(), F_DUPFD_CLOEXEC, kLowestDescriptor));
    if (!listener.socket.valid()) {
        return fail(errno_error(errno, "copy the inherited socket"));
    }
    listener.port = inherited.local.port;
    listener.inherited = inherited.place;
    TRY(prepare_for_relay(listener.socket, inherited.kind));
    return listener;
}

}  // namespace

BuiltinPortDriver::BuiltinPortDriver(BuiltinPortParts parts, const Logger& log)
    : parts_(std::move(parts)), log_(log) {
    source_ip_.emplace(SourceIpSupport{});  // until prepare()
    if (parts_.relay == nullptr) {
        parts_.relay = std::make_shared<RelayKeeper>(parts_.start_relay, log);
    }
    parts_.relay->add_user(this, [this](RelayLink& relay) { return restore(relay); });
}

BuiltinPortDriver::~BuiltinPortDriver() {
    detach();
    parts_.relay->remove_user(this);
}

void BuiltinPortDriver::attach(loop::EventLoop& loop) {
    loop_ = &loop;
    parts_.relay->attach(loop);
    watch_source_ip();
}

void BuiltinPortDriver::detach() {
    if (loop_ != nullptr && source_ip_->ready().valid()) {
        loop_->remove(source_ip_->ready());
    }
    loop_ = nullptr;
}

void BuiltinPortDriver::prepare() {
    if (parts_.source_ip_transparent) {
        if (!parts_.gateway) {
            begin_source_ip();
        }
        return;
    }
    SourceIpSupport off;
    off.backend = "none (--source-ip-transparent=false)";
    source_ip_.emplace(std::move(off));
}

void BuiltinPortDriver::begin_source_ip() {
    if (!source_ip_begun_ && parts_.set_up_source_ip) {
        source_ip_begun_ = true;
        source_ip_.emplace(parts_.set_up_source_ip());
    }
}

const SourceIpSupport& BuiltinPortDriver::source_ip() {
    const bool news = source_ip_->ready().valid();
    if (news && loop_ != nullptr) {
        loop_->remove(source_ip_->ready());
    }
    const SourceIpSupport& outcome = source_ip_->outcome();
    if (news) {
        log_.debug("source IP: {}", outcome.backend);
    }
    return outcome;
}

// So that the process is reaped when it ends, and not when somebody asks.
void BuiltinPortDriver::watch_source_ip() {
    if (source_ip_->ready().valid()) {
        static_cast<void>(
            loop_->add(source_ip_->ready(), EPOLLIN,
                       [this](std::uint32_t /*events*/) { static_cast<void>(source_ip()); }));
    }
}

PortDriverInfo BuiltinPortDriver::info() {
    PortDriverInfo info;
    info.driver = parts_.name;
    info.protos = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"};
    // Clients then ask for the namespace's address, where they are seen as who they are. dockerd
    // takes that address, which is an IPv4 one, for IPv6 ports as well, and would listen on it
    // twice; so, like the other drivers that forbid loopback, this one does not offer them.
    info.disallow_loopback_child_ip = parts_.gateway.has_value();
    if (info.disallow_loopback_child_ip) {
        info.protos = {"tcp", "tcp4", "udp", "udp4"};
    }
    if (parts_.gateway && parts_.source_ip_transparent) {
        info.extra["sourceIPTransparentBackend"] = "gateway";
    } else if (const std::string& backend = source_ip().backend; !backend.empty()) {
        info.extra["sourceIPTransparentBackend"] = backend;
    }
    return info;
}

Result<Listener> BuiltinPortDriver::listen_on_one(const model::PortSpec& spec,
                                                  std::uint16_t port) const {
    if (const InheritedSocket* inherited = match_inherited(parts_.inherited, spec, port)) {
        return copy_of(*inherited);
    }
    Result<Listener> listener = listen_on(spec, port);
    if (!listener) {
        return fail(explain_privileged_port(std::move(listener).error(), port, parts_.argv0));
    }
    return listener;
}

Result<BuiltinPortDriver::Entry> BuiltinPortDriver::listen(const model::PortSpec& spec) const {
    const SocketKind kind = TRY(socket_kind(spec.proto()));
    model::PortSpec resolved = spec;
    std::vector<Listener> listeners;
    if (!spec.inherited_name().empty()) {
        const InheritedSocket* inherited = TRY(find_inherited(parts_.inherited, spec));
        resolved = spec.with_parent(inherited->local.address.text(), inherited->local.port);
        TRY(check_conflict(entries_, resolved));
        listeners.push_back(TRY(copy_of(*inherited)));
    } else {
        for (std::uint32_t i = 0; i < spec.count(); ++i) {
            Listener one = TRY(listen_on_one(
                spec, static_cast<std::uint16_t>(std::uint32_t{spec.parent_port()} + i)));
            if (i == 0) {
                resolved = spec.with_parent(spec.parent_ip(), one.port);
            }
            listeners.push_back(std::move(one));
        }
    }
    const PortTarget target =
        port_target(resolved.parent_ip(), resolved.child_ip(), parts_.gateway);
    return Entry{{0, std::move(resolved)}, kind, target, false, false, std::move(listeners)};
}

// Clients of a loopback address are on this host: there is no address to carry.
void BuiltinPortDriver::choose_source_ip(Entry& entry) {
    const auto parent = model::IpAddress::parse(entry.status.spec.parent_ip());
    if (!parts_.source_ip_transparent || (parent && parent->is_loopback())) {
        return;
    }
    const bool from_gateway = entry.target.origin == wire::Origin::kGateway;
    const bool tcp = entry.kind == SocketKind::kTcp;
    entry.transparent = from_gateway || (tcp && source_ip_inside(entry.target.address));
    entry.fallback_transparent =
        entry.target.fallback && tcp && source_ip_inside(*entry.target.fallback);
}

bool BuiltinPortDriver::source_ip_inside(const model::IpAddress& target) {
    if (parts_.gateway) {
        begin_source_ip();
    }
    const SourceIpSupport& support = source_ip();
    return (target.is_v4() ? support.ipv4 : support.ipv6) &&
           (support.any_target || target.is_loopback());
}

Result<model::PortStatus> BuiltinPortDriver::add(const model::PortSpec& spec) {
    TRY(check_conflict(entries_, spec));
    Entry entry = TRY(listen(spec));
    entry.status.id = next_id_;
    choose_source_ip(entry);
    TRY(publish(entry));
    ++next_id_;
    const auto [place, fresh] = entries_.emplace(entry.status.id, std::move(entry));
    return place->second.status;
}

Result<void> BuiltinPortDriver::publish(const Entry& entry) {
    Result<void> done =
        parts_.relay->with_relay([&](RelayLink& relay) { return hand_over(relay, entry); });
    RelayLink* const relay = parts_.relay->relay();
    if (!done && relay != nullptr && !relay->gone()) {
        // Whatever it has taken by now, or takes when it wakes up again, it drops after this.
        static_cast<void>(relay->remove(entry.status.id));
    }
    return done;
}

Result<void> BuiltinPortDriver::hand_over(RelayLink& relay, const Entry& entry) {
    wire::AddPort port;
    port.id = static_cast<std::uint32_t>(entry.status.id);
    port.transport = entry.kind == SocketKind::kTcp ? wire::Transport::kTcp : wire::Transport::kUdp;
    port.target = {entry.target.address, entry.status.spec.child_port()};
    port.transparent = entry.transparent;
    port.origin = entry.target.origin;
    port.fallback_transparent = entry.fallback_transparent;
    for (const Listener& listener : entry.listeners) {
        if (entry.target.fallback) {
            port.fallback = {*entry.target.fallback, port.target.port};
        }
        TRY(relay.add(port, listener.socket));
        ++port.target.port;
    }
    return {};
}

// A relay that was just started gets every port there is.
Result<void> BuiltinPortDriver::restore(RelayLink& relay) {
    for (const auto& [id, entry] : entries_) {
        Result<void> done = hand_over(relay, entry);
        if (!done && relay.gone()) {
            return done;
        }
        if (!done) {
            log_.warn("port {} cannot be served any more: {}", id, done.error().message);
        }
    }
    return {};
}

Result<void> BuiltinPortDriver::remove(int id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return fail("unknown id: {}", id);
    }
    entries_.erase(found);
    RelayLink* const relay = parts_.relay->relay();
    if (relay != nullptr && !relay->remove(id)) {
        // Its copy of the socket must not outlive the port, nor may a connection.
        parts_.relay->replace();
    }
    return {};
}

std::vector<model::PortStatus> BuiltinPortDriver::list() const {
    return list_statuses(entries_);
}

std::vector<std::uint16_t> BuiltinPortDriver::inherited_in_use() const {
    std::vector<std::uint16_t> places;
    for (const auto& [id, entry] : entries_) {
        for (const Listener& listener : entry.listeners) {
            if (listener.inherited) {
                places.push_back(*listener.inherited);
            }
        }
    }
    return places;
}

Result<PortDriverStats> BuiltinPortDriver::stats() {
    if (!entries_.empty()) {
        TRY(parts_.relay->need());
    }
    const RelayStats told = TRY(parts_.relay->stats());
    PortDriverStats stats;
    stats.health = told.health;
    std::map<int, model::PortCounters> counted;
    for (const model::PortCounters& port : told.ports) {
        counted[port.id] = port;
    }
    for (const auto& [id, entry] : entries_) {
        counted[id].id = id;
        stats.ports.push_back(counted[id]);
    }
    return stats;
}

}  // namespace rk::drivers
