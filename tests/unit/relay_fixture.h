// SPDX-License-Identifier: Apache-2.0
//
// A relay in a thread of the test, driven through its channel, and real sockets on loopback around
// it: everything happens in one network namespace.
#pragma once

#include "model/endpoint.h"
#include "relay/relay.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/seqpacket.h"
#include "wire/relay_channel.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::relay {

inline constexpr int kPatienceMs =
    10000;  // for events that come at once unless something is broken

inline sockaddr_in loopback(std::uint16_t port, std::uint32_t address = INADDR_LOOPBACK) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(address);
    return name;
}

inline const sockaddr* raw(const sockaddr_in& name) {
    return reinterpret_cast<const sockaddr*>(&name);  // NOLINT(*-reinterpret-cast): socket API
}
inline sockaddr* raw(sockaddr_in& name) {
    return reinterpret_cast<sockaddr*>(&name);  // NOLINT(*-reinterpret-cast): socket API
}

inline std::uint16_t port_of(sys::FdRef socket) {
    sockaddr_in name{};
    socklen_t length = sizeof name;
    EXPECT_EQ(::getsockname(socket.number(), raw(name), &length), 0);
    return ntohs(name.sin_port);
}

inline sys::Fd bound(int type, std::uint32_t address = INADDR_LOOPBACK, std::uint16_t port = 0) {
    sys::Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const int one = 1;
    ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const sockaddr_in name = loopback(port, address);
    EXPECT_EQ(::bind(socket.number(), raw(name), sizeof name), 0) << std::strerror(errno);
    return socket;
}

inline sys::Fd listening(std::uint16_t port = 0) {
    sys::Fd socket = bound(SOCK_STREAM, INADDR_LOOPBACK, port);
    EXPECT_EQ(::listen(socket.number(), 1024), 0);
    return socket;
}

/// A blocking client socket. Every call on it gives up after kPatienceMs.
inline sys::Fd connected(int type, std::uint16_t port, std::uint32_t address = INADDR_LOOPBACK) {
    sys::Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const sockaddr_in name = loopback(port, address);
    EXPECT_EQ(::connect(socket.number(), raw(name), sizeof name), 0) << std::strerror(errno);
    return socket;
}

inline bool readable_within(sys::FdRef socket, int milliseconds) {
    pollfd entry{.fd = socket.number(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, milliseconds) == 1;
}

inline sys::Fd accepted(sys::FdRef listener) {
    EXPECT_TRUE(readable_within(listener, kPatienceMs));
    sys::Fd socket(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval patience{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return socket;
}

inline void send_text(sys::FdRef socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(socket.number(), text.data(), text.size(), MSG_NOSIGNAL);
        ASSERT_GT(sent, 0) << std::strerror(errno);
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

/// What came, at most `most` bytes: "" at the end, nothing on an error (errno is kept).
inline std::optional<std::string> receive_text(sys::FdRef socket, std::size_t most = 65536) {
    std::string text(most, '\0');
    const ssize_t got = ::recv(socket.number(), text.data(), text.size(), 0);
    if (got < 0) {
        return std::nullopt;
    }
    text.resize(static_cast<std::size_t>(got));
    return text;
}

inline std::string receive_to_end(sys::FdRef socket) {
    std::string all;
    for (;;) {
        const auto part = receive_text(socket);
        if (!part || part->empty()) {
            return all;
        }
        all += *part;
    }
}

inline void reset(sys::Fd socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/// Checks again and again until it holds: for what has no event to wait for.
template <typename Condition>
bool eventually(const Condition& condition) {
    const auto deadline = sys::Deadline::after(std::chrono::milliseconds(kPatienceMs));
    while (!condition()) {
        if (deadline.passed()) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

/// The parent's side of the channel.
class RelayClient {
 public:
    explicit RelayClient(sys::Fd channel) : channel_(std::move(channel)) {}
    void hang_up() { channel_.reset(); }

    /// Publishes; the socket now belongs to the relay alone. Returns its port.
    std::uint16_t add(std::uint32_t id, sys::Fd socket, std::uint16_t target,
                      bool transparent = false) {
        wire::AddPort request;
        request.id = id;
        request.target = {.address = model::IpAddress::v4(INADDR_LOOPBACK), .port = target};
        request.transparent = transparent;
        return add(request, std::move(socket));
    }
    std::uint16_t add(wire::AddPort request, sys::Fd socket) {
        int type = 0;
        socklen_t length = sizeof type;
        ::getsockopt(socket.number(), SOL_SOCKET, SO_TYPE, &type, &length);
        const std::uint16_t port = port_of(socket);
        request.request = ++requests_;
        request.transport = type == SOCK_STREAM ? wire::Transport::kTcp : wire::Transport::kUdp;
        send_raw_with(wire::encode(request), socket);
        EXPECT_EQ(done().code, 0U);
        return port;
    }
    std::uint32_t remove(std::uint32_t id) {
        ask(wire::RemovePort{.request = ++requests_, .id = id});
        return done().code;
    }
    wire::Done tell(std::string text) {
        ask(wire::Tell{.request = ++requests_, .text = std::move(text)});
        return done();
    }
    wire::Stats stats() {
        ask(wire::GetStats{.request = ++requests_});
        wire::Stats all;
        bool more = true;
        while (more) {
            auto part = next<wire::Stats>();
            more = part.more;
            all.health = part.health;
            all.ports.insert(all.ports.end(), part.ports.begin(), part.ports.end());
            all.local_ports = part.local_ports;
            all.extra = part.extra;
        }
        return all;
    }
    model::PortCounters counters(int id) {
        for (const auto& port : stats().ports) {
            if (port.id == id) {
                return port;
            }
        }
        return {};
    }
    /// Waits until the relay has let go of every connection and flow.
    bool becomes_idle() {
        return eventually([this] {
            const auto health = stats().health;
            return health.open_connections == 0 && health.udp_flows == 0;
        });
    }
    void send_raw(std::string_view packet) { EXPECT_TRUE(sys::send_packet(channel_, packet)); }
    void send_raw_with(std::string_view packet, sys::FdRef socket) {
        const std::array<sys::FdRef, 1> descriptors{socket};
        EXPECT_TRUE(
            sys::send_packet_with(channel_, packet, descriptors,
                                  sys::Deadline::after(std::chrono::milliseconds(kPatienceMs))));
    }
    wire::Done done() { return next<wire::Done>(); }
    [[nodiscard]] const std::vector<std::string>& log() const { return log_; }

 private:
    void ask(const wire::RelayMessage& message) {
        EXPECT_TRUE(sys::send_packet(channel_, wire::encode(message)));
    }
    // The next answer of that type; log lines are kept aside.
    template <typename T>
    T next() {
        while (readable_within(channel_, kPatienceMs)) {
            const auto packet = sys::receive_packet(channel_, wire::kMaxRelayPacket);
            if (!packet || !*packet || (*packet)->empty()) {
                break;
            }
            const auto message = wire::decode_relay(**packet);
            if (!message) {
                break;
            }
            if (const auto* answer = std::get_if<T>(&*message)) {
                return *answer;
            }
            if (const auto* line = std::get_if<wire::LogLine>(&*message)) {
                log_.push_back(line->text);
            }
        }
        ADD_FAILURE() << "no answer from the relay";
        return {};
    }

    sys::Fd channel_;
    std::uint32_t requests_ = 0;
    std::vector<std::string> log_;
};

/// A relay in a thread.
class RunningRelay : public RelayClient {
 public:
    RunningRelay() : RunningRelay(RelayLimits{.workers = 2}) {}
    explicit RunningRelay(const RelayLimits& limits, RelayParts parts = {})
        : RunningRelay(limits, std::move(parts), make_pair()) {}
    RunningRelay(const RunningRelay&) = delete;
    RunningRelay& operator=(const RunningRelay&) = delete;
    ~RunningRelay() {
        hang_up();
        thread_.join();
    }

 private:
    using Pair = std::pair<sys::Fd, sys::Fd>;
    static Pair make_pair() {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
        return {sys::Fd(ends[0]), sys::Fd(ends[1])};
    }
    RunningRelay(const RelayLimits& limits, RelayParts parts, Pair pair)
        : RelayClient(std::move(pair.first)) {
        thread_ =
            std::thread([end = std::move(pair.second), parts = std::move(parts), limits]() mutable {
                const auto outcome = run(std::move(end), limits, std::move(parts));
                EXPECT_TRUE(outcome) << outcome.error().message;
            });
    }

    std::thread thread_;
};

}  // namespace rk::relay
