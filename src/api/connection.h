// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/http.h"
#include "sys/fd.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace rk::api {

/// One client of the API server: its socket, and never more than one request and one response.
///
/// States: idle (nothing half-received, nothing to send; may last for days), receiving, sending,
/// closing (the answer was the last; what the client still sends is thrown away, because closing a
/// socket with unread bytes would take the answer from it, unix(7)). All but idle have a deadline.
class Connection {
 public:
    using Clock = std::chrono::steady_clock;
    using Handler = std::function<Response(const Request&)>;

    /// What the connection waits for next.
    enum class Want { kRead, kWrite, kClose };

    Connection(sys::Fd socket, std::chrono::milliseconds patience, bool permitted);

    /// One turn: sends what is pending, or receives once and answers at most one request, so that a
    /// client that sends a thousand requests at once waits its turn after each.
    [[nodiscard]] Want turn(const Handler& handler, Clock::time_point now);

    [[nodiscard]] sys::FdRef fd() const { return socket_; }
    [[nodiscard]] bool idle() const { return !busy_; }
    /// Whether its user may use the API at all.
    [[nodiscard]] bool permitted() const { return permitted_; }
    /// When it must be idle again; only while it is not.
    [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
    [[nodiscard]] Clock::time_point last_used() const { return last_used_; }

 private:
    enum class Step { kGoOn, kWait, kClose };
    [[nodiscard]] Step receive();
    void process(const Handler& handler, Clock::time_point now);
    void refuse(int status);
    [[nodiscard]] Step flush();
    [[nodiscard]] Step discard();
    [[nodiscard]] Want after_sending(Clock::time_point now);
    void become_busy(Clock::time_point now);

    sys::Fd socket_;
    std::chrono::milliseconds patience_;
    bool permitted_;
    MessageReader reader_ = MessageReader::for_requests();
    std::string in_;   // received, not yet taken by the reader
    std::string out_;  // to be sent
    bool busy_ = false;
    bool answered_ = false;         // out_ ends in an answer, not in "100 Continue"
    bool unread_input_ = false;     // in_ may hold another whole request
    bool close_when_sent_ = false;  // the answer in out_ is the last
    bool closing_ = false;
    std::size_t discarded_ = 0;
    Clock::time_point deadline_;
    Clock::time_point last_used_;
};

}  // namespace rk::api
