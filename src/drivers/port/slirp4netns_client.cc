// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/slirp4netns_client.h"

#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/unix_stream.h"
#include "wire/slirp4netns_api.h"

#include <array>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::drivers {

namespace {

constexpr std::size_t kReadBytes = 4096;
// It lets nobody wait in the queue of its socket (listen(2) with 0), so that a connection that it
// has not taken yet refuses the next one.
constexpr useconds_t kConnectAgain = 2000;  // microseconds

Result<void> wait_for(sys::FdRef socket, short events, sys::Deadline deadline) {
    pollfd ready{socket.number(), events, 0};
    for (;;) {
        const int count = ::poll(&ready, 1, deadline.poll_timeout());
        if (count > 0) {
            return {};
        }
        if (count == 0) {
            return fail(Error{"no answer in time", ETIMEDOUT});
        }
        if (errno != EINTR) {
            return fail(errno_error(errno, "poll"));
        }
    }
}

Result<void> send_all(sys::FdRef socket, std::string_view rest, sys::Deadline deadline) {
    while (!rest.empty()) {
        TRY(wait_for(socket, POLLOUT, deadline));
        rest.remove_prefix(TRY(sys::send_some(socket, rest)).value_or(0));
    }
    if (::shutdown(socket.number(), SHUT_WR) < 0) {
        return fail(errno_error(errno, "shutdown"));
    }
    return {};
}

Result<std::string> receive_all(sys::FdRef socket, sys::Deadline deadline) {
    std::array<char, kReadBytes> chunk{};
    std::string reply;
    for (;;) {
        TRY(wait_for(socket, POLLIN, deadline));
        const auto got = TRY(sys::receive_some(socket, chunk));
        if (got && *got == 0) {
            return reply;
        }
        reply.append(chunk.data(), got.value_or(0));
        if (reply.size() > wire::kMaxSlirp4netnsReply) {
            return fail("a reply of more than {} bytes", wire::kMaxSlirp4netnsReply);
        }
    }
}

Result<sys::Fd> connect(const std::string& path, sys::Deadline deadline) {
    for (;;) {
        auto socket = sys::connect_unix_stream_at_once(path);
        if (socket || socket.error().code != EAGAIN) {
            return socket;
        }
        if (deadline.passed()) {
            return fail(Error{fmt::format("dial unix {}: no answer in time", path), ETIMEDOUT});
        }
        ::usleep(kConnectAgain);
    }
}

Result<std::string> exchange(sys::FdRef socket, std::string_view request, sys::Deadline deadline) {
    TRY(send_all(socket, request, deadline));
    return receive_all(socket, deadline);
}

}  // namespace

Slirp4netnsAnswer ask_slirp4netns(const std::string& socket_path, std::string_view request,
                                  std::chrono::milliseconds patience) {
    const sys::Deadline deadline = sys::Deadline::after(patience);
    Result<sys::Fd> socket = connect(socket_path, deadline);
    if (!socket) {
        return {fail(std::move(socket).error()), false};
    }
    Result<std::string> reply = exchange(*socket, request, deadline);
    if (!reply) {
        return {fail(std::move(reply).error().with_context("unix " + socket_path)), true};
    }
    return {std::move(reply), true};
}

}  // namespace rk::drivers
