// SPDX-License-Identifier: Apache-2.0
#include "relay/socket_source.h"

#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::relay {

sys::Fd open_socket(wire::Transport transport, int family) {
    const bool tcp = transport == wire::Transport::kTcp;
    const int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
    return sys::Fd(
        ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, tcp ? IPPROTO_TCP : IPPROTO_UDP));
}

sys::Fd DirectSource::take(wire::Transport transport, int family) {
    return open_socket(transport, family);
}

}  // namespace rk::relay
