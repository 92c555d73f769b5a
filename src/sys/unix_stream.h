// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace rk::sys {

/// Longest path of a UNIX socket in bytes: sun_path of unix(7) less its final zero.
inline constexpr std::size_t kMaxSocketPath = 107;

/// Says how many bytes a path has too many.
[[nodiscard]] Result<void> check_socket_path(const std::string& path);

/// Removes what is at `path`, binds a stream socket there and listens. Its mode is 0777 & umask.
/// Non-blocking. Errors in Go's words: "listen unix PATH: bind: permission denied".
[[nodiscard]] Result<Fd> listen_unix_stream(const std::string& path, int backlog);

/// The next connection, non-blocking; empty where none waits.
[[nodiscard]] Result<std::optional<Fd>> accept_stream(FdRef listener);

/// Connects, blocking. Error: "dial unix PATH: connect: connection refused".
[[nodiscard]] Result<Fd> connect_unix_stream(const std::string& path);
/// The same without blocking, now or later; a full queue of the listener is an error, too (EAGAIN).
[[nodiscard]] Result<Fd> connect_unix_stream_at_once(const std::string& path);

/// Who connected, as seen from our user namespace (SO_PEERCRED, unix(7)): IDs that are not mapped
/// there are the overflow ID.
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
};
[[nodiscard]] Result<PeerCredentials> peer_credentials(FdRef socket);

/// Receives what is there. 0 bytes = the peer has ended its side; empty = nothing there yet.
[[nodiscard]] Result<std::optional<std::size_t>> receive_some(FdRef socket, std::span<char> buffer);

/// Whether the next receive_some() would not come back empty.
[[nodiscard]] bool has_input(FdRef socket);

/// Sends what the socket takes, without SIGPIPE; empty = it takes nothing now.
[[nodiscard]] Result<std::optional<std::size_t>> send_some(FdRef socket, std::string_view bytes);

}  // namespace rk::sys
