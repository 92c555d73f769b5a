// SPDX-License-Identifier: Apache-2.0
#include "api/client.h"

#include "api/egress_codec.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/unix_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace rk::api {

namespace {

// A port driver answers in milliseconds; past this the server hangs, and saying so is better.
constexpr std::chrono::seconds kPatience{60};
constexpr std::size_t kReceiveBytes = std::size_t{16} << 10U;
// Bytes of an error's body that are looked at.
constexpr std::size_t kMaxErrorBytes = std::size_t{64} << 10U;

Result<void> wait_for(sys::FdRef socket, short events, sys::Deadline deadline) {
    pollfd ready{socket.number(), events, 0};
    for (;;) {
        const int count = ::poll(&ready, 1, deadline.poll_timeout());
        if (count > 0) {
            return {};
        }
        if (count == 0) {
            return fail("no answer within {} seconds", kPatience.count());
        }
        if (errno != EINTR) {
            return fail(errno_error(errno, "poll"));
        }
    }
}

// "Get" for "GET": how Go's http.Client names what it could not do.
std::string go_name(std::string_view method) {
    std::string name(method);
    std::transform(name.begin() + 1, name.end(), name.begin() + 1,
                   [](char letter) { return static_cast<char>(letter - 'A' + 'a'); });
    return name;
}

Error error_of(const Response& response) {
    const std::string_view body = std::string_view(response.body).substr(0, kMaxErrorBytes);
    if (auto message = decode_error(body)) {
        return Error{*std::move(message), 0};
    }
    return make_error("unexpected HTTP status {}, body={}", status_text(response.status),
                      quote(body));
}

}  // namespace

Result<Client> Client::open(std::string socket_path) {
    struct stat status {};
    if (::stat(socket_path.c_str(), &status) < 0) {
        return fail(errno_error(errno, "stat " + socket_path));
    }
    return Client(std::move(socket_path));
}

Result<std::string> Client::get(std::string_view path) {
    return call({.method = "GET", .target = std::string(path), .body = {}});
}

Result<std::string> Client::add_port(const model::PortFields& spec) {
    return call({.method = "POST", .target = "/v1/ports", .body = encode_spec(spec)});
}

Result<void> Client::remove_port(std::int64_t id) {
    TRY(call({.method = "DELETE", .target = fmt::format("/v1/ports/{}", id), .body = {}}));
    return {};
}

Result<std::string> Client::add_egress(std::string_view action, std::string_view rule) {
    return call(
        {.method = "POST", .target = "/v1/egress", .body = encode_egress_request(action, rule)});
}

Result<void> Client::remove_egress(std::int64_t id) {
    TRY(call({.method = "DELETE", .target = fmt::format("/v1/egress/{}", id), .body = {}}));
    return {};
}

Result<Info> Client::info() {
    return decode_info(TRY(get("/v1/info")));
}

Result<std::string> Client::call(const Request& request) {
    const bool reused = socket_.valid();
    auto response = exchange(request);
    if (!response && reused && !answered_) {
        // The server closes idle connections it needs the place of; it has not seen this request.
        socket_.reset();
        response = exchange(request);
    }
    if (!response) {
        socket_.reset();
        return fail(std::move(response).error().with_context(
            fmt::format("{} {}", go_name(request.method),
                        quote(fmt::format("http://rootlesskit{}", request.target)))));
    }
    if (!response->keep_alive) {
        socket_.reset();
    }
    if (response->status < 200 || response->status > 299) {
        return fail(error_of(*response));
    }
    return std::move(response->body);
}

bool Client::reachable() const {
    return sys::connect_unix_stream(socket_path_).has_value();
}

Result<Response> Client::exchange(const Request& request) {
    answered_ = false;
    if (!socket_.valid()) {
        socket_ = TRY(sys::connect_unix_stream(socket_path_));
    }
    const Result<void> sent = send(request);
    if (!sent && sent.error().code != EPIPE) {
        return fail(sent.error());
    }
    return receive();  // after EPIPE, too: the server may have said why before it closed
}

Result<void> Client::send(const Request& request) {
    const std::string bytes = serialize(request);
    std::string_view rest = bytes;
    while (!rest.empty()) {
        const auto sent = TRY(sys::send_some(socket_, rest));
        rest.remove_prefix(sent.value_or(0));
    }
    return {};
}

Result<Response> Client::receive() {
    MessageReader reader = MessageReader::for_responses();
    const sys::Deadline deadline = sys::Deadline::after(kPatience);
    std::array<char, kReceiveBytes> buffer{};
    std::string in;
    while (reader.state() != MessageReader::State::kComplete) {
        TRY(wait_for(socket_, POLLIN, deadline));
        const auto got = TRY(sys::receive_some(socket_, buffer));
        answered_ = answered_ || got.value_or(0) > 0;
        if (got && *got == 0) {
            reader.end_of_stream();
        }
        in.append(buffer.data(), got.value_or(0));
        in.erase(0, reader.read(in));
        if (reader.state() == MessageReader::State::kFailed) {
            return fail("{}", answered_ ? "malformed HTTP response" : "EOF");
        }
    }
    Response response = reader.take_response();
    if (response.status == 100) {
        return fail("unexpected HTTP status 100");
    }
    return response;
}

}  // namespace rk::api
