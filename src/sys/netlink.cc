// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include "sys/fd.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace rk::sys {

namespace {

// The loopback device is registered first in every network namespace (net/core/dev.c).
constexpr int kLoopbackIndex = 1;

struct LinkRequest {
    nlmsghdr header;
    ifinfomsg link;
};

// The acknowledgement of the only request on this socket: an NLMSG_ERROR whose code is 0 or -errno.
Result<void> read_acknowledgement(FdRef socket) {
    alignas(nlmsghdr) std::array<char, 4096> reply{};
    const ssize_t got = ::recv(socket.number(), reply.data(), reply.size(), 0);
    if (got < 0) {
        return fail(errno_error(errno, "receive from netlink"));
    }
    nlmsghdr header{};
    nlmsgerr error{};
    if (static_cast<std::size_t>(got) < NLMSG_HDRLEN + sizeof error) {
        return fail("short netlink reply");
    }
    std::memcpy(&header, reply.data(), sizeof header);
    std::memcpy(&error, reply.data() + NLMSG_HDRLEN, sizeof error);
    if (header.nlmsg_type != NLMSG_ERROR) {
        return fail("unexpected netlink reply of type {}", header.nlmsg_type);
    }
    if (error.error != 0) {
        return fail(errno_error(-error.error, "netlink RTM_NEWLINK"));
    }
    return {};
}

Result<void> send_link_up() {
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket.valid()) {
        return fail(errno_error(errno, "open a netlink socket"));
    }
    const timeval patience{2, 0};  // the kernel answers at once; a hang must not become ours
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    LinkRequest request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_NEWLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.header.nlmsg_seq = 1;
    request.link.ifi_family = AF_UNSPEC;
    request.link.ifi_index = kLoopbackIndex;
    request.link.ifi_flags = IFF_UP;
    request.link.ifi_change = IFF_UP;
    if (::send(socket.number(), &request, sizeof request, 0) < 0) {
        return fail(errno_error(errno, "send to netlink"));
    }
    return read_acknowledgement(socket);
}

}  // namespace

Result<void> bring_up_loopback() {
    TRY_CTX(send_link_up(), "bring up lo");
    return {};
}

}  // namespace rk::sys
