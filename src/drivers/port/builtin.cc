// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/builtin.h"

#include "drivers/port/child_address.h"
#include "drivers/port/conflict.h"
#include "sys/sockaddr.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>

namespace rk::drivers {

namespace {

// A relay that dies from what one client does comes back at once; one that cannot live does not eat
// the machine.
constexpr std::size_t kRestartsPerMinute = 10;
constexpr std::chrono::minutes kRestartWindow{1};
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
    TRY(prepare_for_relay(listener.socket, inherited.kind));
    return listener;
}

}  // namespace

BuiltinPortDriver::BuiltinPortDriver(BuiltinPortParts parts, const Logger& log)
    : parts_(std::move(parts)), log_(log) {
    source_ip_.emplace(SourceIpSupport{});  // until prepare()
}

BuiltinPortDriver::~BuiltinPortDriver() {
    detach();
    drop_relay();
}

void BuiltinPortDriver::attach(loop::EventLoop& loop) {
    loop_ = &loop;
    watch();
    watch_source_ip();
}

void BuiltinPortDriver::detach() {
    if (loop_ != nullptr && relay_) {
        loop_->remove(relay_->channel());
    }
    if (loop_ != nullptr && source_ip_->ready().valid()) {
        loop_->remove(source_ip_->ready());
    }
    loop_ = nullptr;
}

void BuiltinPortDriver::prepare() {
    if (parts_.source_ip_transparent) {
        source_ip_.emplace(parts_.set_up_source_ip());
        return;
    }
    SourceIpSupport off;
    off.backend = "none (--source-ip-transparent=false)";
    source_ip_.emplace(std::move(off));
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
    info.driver = "builtin";
    info.protos = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"};
    info.disallow_loopback_child_ip = false;
    if (const std::string& backend = source_ip().backend; !backend.empty()) {
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
    std::vector<sys::Fd> sockets;
    if (!spec.inherited_name().empty()) {
        const InheritedSocket* inherited = TRY(find_inherited(parts_.inherited, spec));
        resolved = spec.with_parent(inherited->local.address.text(), inherited->local.port);
        TRY(check_conflict(entries_, resolved));
        sockets.push_back(TRY(copy_of(*inherited)).socket);
    } else {
        for (std::uint32_t i = 0; i < spec.count(); ++i) {
            Listener one = TRY(listen_on_one(
                spec, static_cast<std::uint16_t>(std::uint32_t{spec.parent_port()} + i)));
            if (i == 0) {
                resolved = spec.with_parent(spec.parent_ip(), one.port);
            }
            sockets.push_back(std::move(one.socket));
        }
    }
    const model::IpAddress target = child_address(resolved.parent_ip(), resolved.child_ip());
    return Entry{{0, std::move(resolved)}, kind, target, false, std::move(sockets)};
}

// Clients of a loopback address are on this host: there is no address to carry.
bool BuiltinPortDriver::wants_source_ip(const Entry& entry) {
    const auto parent = model::IpAddress::parse(entry.status.spec.parent_ip());
    if (entry.kind != SocketKind::kTcp || (parent && parent->is_loopback())) {
        return false;
    }
    const SourceIpSupport& support = source_ip();
    return (entry.target.is_v4() ? support.ipv4 : support.ipv6) &&
           (support.any_target || entry.target.is_loopback());
}

Result<model::PortStatus> BuiltinPortDriver::add(const model::PortSpec& spec) {
    TRY(check_conflict(entries_, spec));
    Entry entry = TRY(listen(spec));
    entry.status.id = next_id_;
    entry.transparent = wants_source_ip(entry);
    TRY(publish(entry));
    ++next_id_;
    const auto [place, fresh] = entries_.emplace(entry.status.id, std::move(entry));
    return place->second.status;
}

// A relay that died unnoticed, or dies just now, is worth a second try.
Result<void> BuiltinPortDriver::publish(const Entry& entry) {
    TRY(need_relay());
    Result<void> done = hand_over(entry);
    if (!done && relay_->gone()) {
        relay_died();
        TRY(need_relay());
        done = hand_over(entry);
    }
    if (!done && !relay_->gone()) {
        // Whatever it has taken by now, or takes when it wakes up again, it drops after this.
        static_cast<void>(relay_->remove(entry.status.id));
    }
    return done;
}

Result<void> BuiltinPortDriver::hand_over(const Entry& entry) {
    wire::AddPort port;
    port.id = static_cast<std::uint32_t>(entry.status.id);
    port.transport = entry.kind == SocketKind::kTcp ? wire::Transport::kTcp : wire::Transport::kUdp;
    port.target = {entry.target, entry.status.spec.child_port()};
    port.transparent = entry.transparent;
    for (const sys::Fd& socket : entry.sockets) {
        TRY(relay_->add(port, socket));
        ++port.target.port;
    }
    return {};
}

Result<void> BuiltinPortDriver::remove(int id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return fail("unknown id: {}", id);
    }
    entries_.erase(found);
    if (relay_ && !relay_->remove(id)) {
        // Its copy of the socket must not outlive the port, nor may a connection.
        relay_died();
    }
    return {};
}

std::vector<model::PortStatus> BuiltinPortDriver::list() const {
    std::vector<model::PortStatus> ports;
    ports.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) {
        ports.push_back(entry.status);
    }
    return ports;
}

Result<PortDriverStats> BuiltinPortDriver::stats() {
    PortDriverStats stats;
    if (!entries_.empty()) {
        TRY(need_relay());
    }
    if (relay_) {
        auto told = relay_->stats();
        if (!told && relay_->gone()) {
            relay_died();
            TRY(need_relay());
            told = relay_->stats();
        }
        stats = TRY(std::move(told));
        stats.health.running = true;
        stats.health.pid = relay_->pid();
    }
    stats.health.restarts = restarts_;
    std::map<int, model::PortCounters> counted;
    for (const model::PortCounters& port : stats.ports) {
        counted[port.id] = port;
    }
    stats.ports.clear();
    for (const auto& [id, entry] : entries_) {
        counted[id].id = id;
        stats.ports.push_back(counted[id]);
    }
    return stats;
}

Result<void> BuiltinPortDriver::need_relay() {
    return relay_ ? Result<void>() : start_relay();
}

// Starts it and gives it every port there is.
Result<void> BuiltinPortDriver::start_relay() {
    RelayConnection connection = TRY_CTX(parts_.start_relay(), "start the port relay");
    relay_ = std::make_unique<RelayLink>(std::move(connection), log_);
    watch();
    for (const auto& [id, entry] : entries_) {
        const Result<void> done = hand_over(entry);
        if (!done && relay_->gone()) {
            drop_relay();
            return done;
        }
        if (!done) {
            log_.warn("port {} cannot be served any more: {}", id, done.error().message);
        }
    }
    return {};
}

bool BuiltinPortDriver::may_restart() {
    const auto now = std::chrono::steady_clock::now();
    while (!recent_restarts_.empty() && now - recent_restarts_.front() > kRestartWindow) {
        recent_restarts_.pop_front();
    }
    if (recent_restarts_.size() >= kRestartsPerMinute) {
        return false;
    }
    recent_restarts_.push_back(now);
    return true;
}

void BuiltinPortDriver::drop_relay() {
    if (loop_ != nullptr && relay_) {
        loop_->remove(relay_->channel());
    }
    relay_.reset();
}

void BuiltinPortDriver::relay_died() {
    const sys::ExitStatus status = relay_->end();
    drop_relay();
    if (!may_restart()) {
        log_.warn("the port relay ended again: {}; published ports wait for the next change",
                  status.text());
        return;
    }
    ++restarts_;
    log_.warn("the port relay ended: {}; starting it again", status.text());
    if (const Result<void> started = start_relay(); !started) {
        log_.warn("{}", started.error().message);
    }
}

void BuiltinPortDriver::watch() {
    if (loop_ == nullptr || !relay_) {
        return;
    }
    const Result<void> added =
        loop_->add(relay_->channel(), EPOLLIN, [this](std::uint32_t /*events*/) { on_channel(); });
    if (!added) {
        log_.warn("the port relay is not watched: {}", added.error().message);
    }
}

void BuiltinPortDriver::on_channel() {
    if (!relay_) {
        return;
    }
    relay_->take_pending();
    if (relay_->gone()) {
        relay_died();
    }
}

}  // namespace rk::drivers
