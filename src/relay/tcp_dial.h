// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "relay/socket_source.h"
#include "sys/fd.h"

namespace rk::relay {

/// A call that was begun: the socket is connecting or connected, or `code` says why not.
struct Dial {
    sys::Fd socket;
    int code = 0;
};

/// Begins to connect by a socket of that source; never waits (but for a source's bounded patience).
[[nodiscard]] Dial dial(SocketSource& source, const model::Endpoint& target);
/// The same to an address of this machine: without pacing, which a host's default (BBR) may do, and
/// as `buffers` says with keep_local().
enum class LocalBuffers : bool { kKernels, kBounded };
[[nodiscard]] Dial dial_local(SocketSource& source, const model::Endpoint& target,
                              LocalBuffers buffers);
/// ... in this thread's own network namespace, with the kernel's buffers.
[[nodiscard]] Dial dial_local(const model::Endpoint& target);

/// Whether the service can be shown that client at all: same family, and not an address that means
/// something else inside, its own for one.
[[nodiscard]] bool can_dial_as(const model::Endpoint& client, const model::Endpoint& target);

/// The same from the client's address and port (IP_TRANSPARENT; needs CAP_NET_ADMIN there). The
/// mark makes the answers come back: routing sends what carries it to this host. Not paced either.
[[nodiscard]] Dial dial_as(SocketSource& source, const model::Endpoint& client,
                           const model::Endpoint& target);

/// From an address and port, as any socket would (but that the source's may have foreign ones). A
/// port that is taken becomes a free one; an unspecified address is left to the kernel.
[[nodiscard]] Dial dial_from(SocketSource& source, const model::Endpoint& from,
                             const model::Endpoint& target);

/// Binds a socket to `from` in that way. 0 or an errno.
[[nodiscard]] int bind_from(sys::FdRef socket, const model::Endpoint& from);

/// What accepted sockets inherit from their listener: no delay, keep-alive, non-blocking; where
/// only clients of this machine can come, no pacing.
void prepare_listener(sys::FdRef listener);

/// Whether the kernel grants kLocalReceiveBytes in full (net.core.rmem_max). A smaller buffer would
/// be worse than the kernel's own choice, which is lost once a size was set.
[[nodiscard]] bool grants_local_buffers();

/// Gives that to a socket whose other end is on this machine.
void keep_local(sys::FdRef socket);

/// Closing this socket sends a reset instead of a FIN.
void reset_on_close(sys::FdRef socket);

/// The pending error of a socket (SO_ERROR), which is thereby cleared.
[[nodiscard]] int take_error(sys::FdRef socket);

}  // namespace rk::relay
