// SPDX-License-Identifier: Apache-2.0
#include "api/server.h"

#include "api/routes.h"
#include "sys/unix_stream.h"

#include <algorithm>

#include <sys/epoll.h>
#include <unistd.h>

namespace rk::api {

namespace {

// Clients that connect in the time of one wake-up; more of them wait in connect(2).
constexpr int kBacklog = 128;
// Connections taken per wake-up, so that a crowd does not hold the loop.
constexpr int kAcceptsPerWakeUp = 16;
// Connections of users who may not use the API: enough to tell them so.
constexpr std::ptrdiff_t kMaxStrangers = 8;
// How long to leave the listener alone when there are no file descriptors.
constexpr std::chrono::milliseconds kAcceptPause{100};
// The log is the user's: one line about misuse in this time.
constexpr std::chrono::seconds kWarningInterval{10};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(Options options, Service service,
                                               const Logger& log) {
    sys::Fd listener = TRY(sys::listen_unix_stream(options.path, kBacklog));
    return std::unique_ptr<Server>(
        new Server(std::move(options), std::move(service), log, std::move(listener)));
}

Server::Server(Options options, Service service, const Logger& log, sys::Fd listener)
    : options_(std::move(options)),
      service_(std::move(service)),
      log_(log),
      listener_(std::move(listener)) {}

Server::~Server() {
    close();
}

Result<void> Server::serve(loop::EventLoop& loop) {
    timer_.emplace(TRY(loop::Timer::create(loop, [this] { on_timer(); })));
    TRY(loop.add(listener_, EPOLLIN, [this](std::uint32_t /*events*/) { on_listener(); }));
    loop_ = &loop;
    return {};
}

// The listener first: a client whose connection has ended may look whether there is still a server.
void Server::close() {
    if (listener_.valid()) {
        if (loop_ != nullptr && !paused_) {
            loop_->remove(listener_);
        }
        listener_.reset();
        ::unlink(options_.path.c_str());
    }
    while (!connections_.empty()) {
        drop(connections_.begin()->first);
    }
    timer_.reset();
    loop_ = nullptr;
}

void Server::warn(const std::string& message) {
    const Clock::time_point now = Clock::now();
    if (!warned_at_ || now - *warned_at_ >= kWarningInterval) {
        warned_at_ = now;
        log_.warn("API: {}", message);
    }
}

void Server::on_listener() {
    for (int i = 0; i < kAcceptsPerWakeUp; ++i) {
        auto accepted = sys::accept_stream(listener_);
        if (!accepted) {
            warn(accepted.error().message);
            pause_accepting();
            return;
        }
        if (!accepted->has_value()) {
            return;
        }
        admit(**std::move(accepted));
    }
}

// The listener stays readable while we cannot accept, and would keep the loop spinning.
void Server::pause_accepting() {
    static_cast<void>(make_room());
    loop_->remove(listener_);
    paused_ = true;
    resume_at_ = Clock::now() + kAcceptPause;
    arm_timer();
}

bool is_permitted(uid_t peer, uid_t self, std::span<const model::IdRange> mapped) {
    return peer == 0 || peer == self || std::ranges::any_of(mapped, [&](const model::IdRange& r) {
               return peer >= r.start && peer < r.end();
           });
}

bool Server::permits(const sys::Fd& socket) {
    const auto peer = sys::peer_credentials(socket);
    if (!peer) {
        return false;
    }
    if (is_permitted(peer->uid, ::geteuid(), options_.permitted_uids)) {
        return true;
    }
    warn(fmt::format("refused a connection of user ID {} (process {})", peer->uid, peer->pid));
    return false;
}

void Server::admit(sys::Fd socket) {
    const bool permitted = permits(socket);
    const auto strangers =
        std::count_if(connections_.begin(), connections_.end(),
                      [](const auto& entry) { return !entry.second->permitted(); });
    if (!permitted && strangers >= kMaxStrangers) {
        return;
    }
    if (connections_.size() >= options_.max_connections && !make_room()) {
        warn(fmt::format("{} connections are open, refused one more", connections_.size()));
        Response response = error_response(503, "too many connections");
        response.keep_alive = false;
        static_cast<void>(sys::send_some(socket, serialize(response, std::time(nullptr))));
        return;
    }
    const int number = socket.number();
    if (!loop_->add(socket, EPOLLIN,
                    [this, number](std::uint32_t /*events*/) { on_connection(number); })) {
        return;
    }
    connections_[number] =
        std::make_unique<Connection>(std::move(socket), options_.patience, permitted);
    arm_timer();
}

// Ends the idle connection that was used least recently. False: all are at work. One whose request
// has come but is not read yet is not idle, whatever it thinks.
bool Server::make_room() {
    auto oldest = connections_.end();
    for (auto it = connections_.begin(); it != connections_.end(); ++it) {
        const Connection& one = *it->second;
        const bool older =
            oldest == connections_.end() || one.last_used() < oldest->second->last_used();
        if (one.idle() && older && !sys::has_input(one.fd())) {
            oldest = it;
        }
    }
    if (oldest == connections_.end()) {
        return false;
    }
    drop(oldest->first);
    return true;
}

void Server::on_connection(int number) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) {
        return;
    }
    Connection& connection = *found->second;
    const Connection::Want want = connection.turn(
        [this](const Request& request) { return respond(request, service_); }, Clock::now());
    const std::uint32_t events = want == Connection::Want::kWrite ? EPOLLOUT : EPOLLIN;
    if (want == Connection::Want::kClose || !loop_->change(connection.fd(), events)) {
        drop(number);
    }
    arm_timer();
}

void Server::drop(int number) {
    const auto found = connections_.find(number);
    if (found != connections_.end()) {
        loop_->remove(found->second->fd());
        connections_.erase(found);
    }
}

void Server::on_timer() {
    const Clock::time_point now = Clock::now();
    std::vector<int> late;
    for (const auto& [number, connection] : connections_) {
        if (!connection->idle() && connection->deadline() <= now) {
            late.push_back(number);
        }
    }
    for (const int number : late) {
        drop(number);
    }
    if (paused_ && resume_at_ <= now) {
        const auto watched =
            loop_->add(listener_, EPOLLIN, [this](std::uint32_t /*events*/) { on_listener(); });
        paused_ = !watched;
        resume_at_ = now + kAcceptPause;
    }
    arm_timer();
}

void Server::arm_timer() {
    std::optional<Clock::time_point> next;
    if (paused_) {
        next = resume_at_;
    }
    for (const auto& [number, connection] : connections_) {
        if (!connection->idle() && (!next || connection->deadline() < *next)) {
            next = connection->deadline();
        }
    }
    if (!next) {
        timer_->disarm();
        return;
    }
    timer_->arm(std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()));
}

}  // namespace rk::api
