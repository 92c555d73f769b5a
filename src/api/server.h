// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The API server lives in the parent's event loop, beside the supervision of the child, so nothing
// in it may wait: sockets are non-blocking, a connection gets one turn per event, and each holds at
// most one request and one response. Clients (dockerd, one rootlesskit-docker-proxy per port) keep
// their connection for days, so an idle connection is closed only where its place is needed: the
// one that was used least recently goes, which HTTP/1.1 clients are prepared for (RFC 9112, 9.5).
//
// Who may: the user, root, and whoever has an ID that is mapped in the namespace; everybody else
// gets 403. The socket's mode alone would not do: it follows the umask, and is 0755 as clients
// expect it.
//
// Limits: connections, of these strangers; seconds for a half-received request, for a response the
// client does not read, and for closing. No limit of its own for requests per second: a turn
// answers one, then the others have theirs.
#pragma once

#include "api/connection.h"
#include "api/service.h"
#include "base/log.h"
#include "base/result.h"
#include "loop/event_loop.h"
#include "loop/timer.h"
#include "model/id_map.h"
#include "sys/fd.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::api {

/// Whether a peer of that uid may use the API of a process of uid `self`: itself, root, and the
/// IDs mapped in its namespace.
[[nodiscard]] bool is_permitted(uid_t peer, uid_t self, std::span<const model::IdRange> mapped);

class Server {
 public:
    struct Options {
        std::string path;                            // STATE/api.sock
        std::vector<model::IdRange> permitted_uids;  // of the outside; besides root and ourselves
        std::chrono::milliseconds patience = std::chrono::seconds(10);
        std::size_t max_connections = 64;
    };

    /// Binds and listens; clients wait in the backlog until serve() is called. `log` must outlive
    /// it.
    [[nodiscard]] static Result<std::unique_ptr<Server>> listen(Options options, Service service,
                                                                const Logger& log);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    ~Server();

    /// Answers from now on, from this loop, which must live until close().
    [[nodiscard]] Result<void> serve(loop::EventLoop& loop);

    /// Closes every connection and removes the socket. Also done at the end of its life.
    void close();

    /// What is served; may be changed between events.
    [[nodiscard]] Service& service() { return service_; }

 private:
    using Clock = Connection::Clock;
    using Connections = std::map<int, std::unique_ptr<Connection>>;

    Server(Options options, Service service, const Logger& log, sys::Fd listener);
    void on_listener();
    void pause_accepting();
    void admit(sys::Fd socket);
    [[nodiscard]] bool permits(const sys::Fd& socket);
    [[nodiscard]] bool make_room();
    void on_connection(int number);
    void drop(int number);
    void on_timer();
    void arm_timer();
    void warn(const std::string& message);

    Options options_;
    Service service_;
    const Logger& log_;
    sys::Fd listener_;
    loop::EventLoop* loop_ = nullptr;
    std::optional<loop::Timer> timer_;
    Connections connections_;
    bool paused_ = false;  // out of file descriptors: not accepting
    Clock::time_point resume_at_;
    std::optional<Clock::time_point> warned_at_;
};

}  // namespace rk::api
