// SPDX-License-Identifier: Apache-2.0
#include "sys/seqpacket.h"

#include <array>
#include <cerrno>

#include <sys/socket.h>

namespace rk::sys {

Result<std::pair<Fd, Fd>> seqpacket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0) {
        return fail(errno_error(errno, "socketpair"));
    }
    return std::pair{Fd(ends[0]), Fd(ends[1])};
}

Result<void> send_packet(FdRef socket, std::string_view packet) {
    for (;;) {
        if (::send(socket.number(), packet.data(), packet.size(), MSG_NOSIGNAL) >= 0) {
            return {};
        }
        if (errno != EINTR) {
            return fail(errno_error(errno, "send a message"));
        }
    }
}

Result<std::optional<std::string>> receive_packet(FdRef socket, std::size_t limit) {
    std::string packet(limit, '\0');
    for (;;) {
        // MSG_TRUNC makes recv(2) return the packet's true length.
        const ssize_t got = ::recv(socket.number(), packet.data(), packet.size(),
                                   MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return std::nullopt;
        }
        if (got < 0 && errno == ECONNRESET) {
            return std::string{};  // the peer died with unread packets in its queue
        }
        if (got < 0) {
            return fail(errno_error(errno, "receive a message"));
        }
        if (static_cast<std::size_t>(got) > limit) {
            return fail(errno_error(EMSGSIZE, "receive a message"));
        }
        packet.resize(static_cast<std::size_t>(got));
        return packet;
    }
}

}  // namespace rk::sys
