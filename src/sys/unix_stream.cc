// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace rk::sys {

namespace {

static_assert(sizeof(sockaddr_un::sun_path) == kMaxSocketPath + 1);

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), kMaxSocketPath));
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    // NOLINTNEXTLINE(*-reinterpret-cast): the cast of socket(7)
    return reinterpret_cast<const sockaddr*>(&address);
}

bool nothing_yet(int code) {
    return code == EAGAIN || code == EINTR;
}

Result<Fd> connect_stream(const std::string& path, int type) {
    TRY_CTX(check_socket_path(path), "dial unix {}: connect", path);
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (!socket.valid()) {
        return fail(errno_error(errno, fmt::format("dial unix {}: socket", path)));
    }
    const sockaddr_un address = address_of(path);
    if (::connect(socket.number(), generic(address), sizeof address) < 0) {
        return fail(errno_error(errno, fmt::format("dial unix {}: connect", path)));
    }
    return socket;
}

}  // namespace

Result<void> check_socket_path(const std::string& path) {
    if (path.size() > kMaxSocketPath) {
        return fail(Error{fmt::format("the path of a socket may have {} bytes, {} has {}",
                                      kMaxSocketPath, path, path.size()),
                          ENAMETOOLONG});
    }
    return {};
}

Result<Fd> listen_unix_stream(const std::string& path, int backlog) {
    TRY_CTX(check_socket_path(path), "listen unix {}: bind", path);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) {
        return fail(errno_error(errno, fmt::format("listen unix {}: socket", path)));
    }
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) {
        return fail(errno_error(errno, fmt::format("listen unix {}: unlink", path)));
    }
    const sockaddr_un address = address_of(path);
    if (::bind(socket.number(), generic(address), sizeof address) < 0) {
        return fail(errno_error(errno, fmt::format("listen unix {}: bind", path)));
    }
    if (::listen(socket.number(), backlog) < 0) {
        return fail(errno_error(errno, fmt::format("listen unix {}: listen", path)));
    }
    return socket;
}

Result<std::optional<Fd>> accept_stream(FdRef listener) {
    const int fd = ::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        return std::optional<Fd>(Fd(fd));
    }
    if (nothing_yet(errno) || errno == ECONNABORTED) {
        return std::optional<Fd>();
    }
    return fail(errno_error(errno, "accept"));
}

Result<Fd> connect_unix_stream(const std::string& path) {
    return connect_stream(path, SOCK_STREAM);
}

Result<Fd> connect_unix_stream_at_once(const std::string& path) {
    return connect_stream(path, SOCK_STREAM | SOCK_NONBLOCK);
}

Result<PeerCredentials> peer_credentials(FdRef socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) {
        return fail(errno_error(errno, "SO_PEERCRED"));
    }
    return PeerCredentials{credentials.pid, credentials.uid};
}

Result<std::optional<std::size_t>> receive_some(FdRef socket, std::span<char> buffer) {
    const ssize_t got = ::recv(socket.number(), buffer.data(), buffer.size(), 0);
    if (got >= 0) {
        return std::optional(static_cast<std::size_t>(got));
    }
    if (nothing_yet(errno)) {
        return std::optional<std::size_t>();
    }
    return fail(errno_error(errno, "read"));
}

bool has_input(FdRef socket) {
    pollfd ready{socket.number(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
}

Result<std::optional<std::size_t>> send_some(FdRef socket, std::string_view bytes) {
    const ssize_t sent = ::send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
        return std::optional(static_cast<std::size_t>(sent));
    }
    if (nothing_yet(errno)) {
        return std::optional<std::size_t>();
    }
    return fail(errno_error(errno, "write"));
}

}  // namespace rk::sys
