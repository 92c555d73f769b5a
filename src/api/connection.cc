// SPDX-License-Identifier: Apache-2.0
#include "api/connection.h"

#include "api/routes.h"
#include "sys/unix_stream.h"

#include <array>
#include <ctime>
#include <utility>

#include <sys/socket.h>

namespace rk::api {

namespace {

// Bytes taken from a socket in one turn; a usual request fits.
constexpr std::size_t kReceiveBytes = std::size_t{16} << 10U;
// Bytes thrown away while closing, before we lose patience with the client.
constexpr std::size_t kMaxDiscardedBytes = std::size_t{1} << 20U;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Connection::Connection(sys::Fd socket, std::chrono::milliseconds patience, bool permitted)
    : socket_(std::move(socket)),
      patience_(patience),
      permitted_(permitted),
      last_used_(Clock::now()) {
    if (!permitted_) {
        become_busy(last_used_);  // a stranger does not get to hold a place
    }
}

void Connection::become_busy(Clock::time_point now) {
    busy_ = true;
    deadline_ = now + patience_;
}

Connection::Want Connection::turn(const Handler& handler, Clock::time_point now) {
    last_used_ = now;
    if (out_.empty() && closing_) {
        return discard() == Step::kClose ? Want::kClose : Want::kRead;
    }
    if (out_.empty()) {
        if (!unread_input_) {
            const Step step = receive();
            if (step != Step::kGoOn) {
                return step == Step::kClose ? Want::kClose : Want::kRead;
            }
        }
        process(handler, now);
    }
    const Step sent = flush();
    if (sent != Step::kGoOn) {
        return sent == Step::kClose ? Want::kClose : Want::kWrite;
    }
    return after_sending(now);
}

Connection::Want Connection::after_sending(Clock::time_point now) {
    if (close_when_sent_) {
        closing_ = true;
        ::shutdown(socket_.number(), SHUT_WR);
        return Want::kRead;
    }
    if (std::exchange(answered_, false)) {
        busy_ = false;
    }
    if (unread_input_) {
        become_busy(now);     // the next request's time starts now
        return Want::kWrite;  // at once, but after the others
    }
    return Want::kRead;
}

Connection::Step Connection::receive() {
    std::array<char, kReceiveBytes> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const auto got = sys::receive_some(socket_, buffer);
    if (!got || (got->has_value() && **got == 0)) {
        return Step::kClose;  // only reached with nothing to send
    }
    if (!got->has_value()) {
        return Step::kWait;
    }
    in_.append(buffer.data(), **got);
    return Step::kGoOn;
}

void Connection::process(const Handler& handler, Clock::time_point now) {
    if (!busy_) {
        become_busy(now);
    }
    in_.erase(0, reader_.read(in_));
    unread_input_ = false;
    switch (reader_.state()) {
        case MessageReader::State::kNeedMore:
            if (reader_.take_continue_wish()) {
                out_ += kContinue;
            }
            return;
        case MessageReader::State::kFailed:
            in_.clear();
            refuse(reader_.failure_status());
            return;
        case MessageReader::State::kComplete:
            break;
    }
    const Request request = reader_.take_request();
    Response response =
        permitted_ ? handler(request) : error_response(403, "this user may not use the API");
    response.keep_alive = request.keep_alive && permitted_;
    close_when_sent_ = !response.keep_alive;
    out_ += serialize(response, std::time(nullptr));
    answered_ = true;
    unread_input_ = !in_.empty() && !close_when_sent_;
    if (in_.empty()) {
        in_.shrink_to_fit();  // idle connections are many and long
    }
}

// What follows a broken request cannot be told from its rest.
void Connection::refuse(int status) {
    Response response = error_response(status, status_text(status));
    response.keep_alive = false;
    close_when_sent_ = true;
    out_ += serialize(response, std::time(nullptr));
}

Connection::Step Connection::flush() {
    while (!out_.empty()) {
        const auto sent = sys::send_some(socket_, out_);
        if (!sent) {
            return Step::kClose;
        }
        if (!sent->has_value()) {
            return Step::kWait;
        }
        out_.erase(0, **sent);
    }
    out_.shrink_to_fit();
    return Step::kGoOn;
}

Connection::Step Connection::discard() {
    std::array<char, kReceiveBytes> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const auto got = sys::receive_some(socket_, buffer);
    if (!got) {
        return Step::kClose;
    }
    if (!got->has_value()) {
        return Step::kWait;
    }
    discarded_ += **got;
    return **got == 0 || discarded_ > kMaxDiscardedBytes ? Step::kClose : Step::kWait;
}

}  // namespace rk::api
