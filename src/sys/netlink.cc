// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include "sys/netlink_request.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace rk::sys {

namespace {

// The loopback device is registered first in every network namespace (net/core/dev.c).
constexpr int kLoopbackIndex = 1;

Result<void> send_link_up() {
    NetlinkSocket socket = TRY(NetlinkSocket::open(NETLINK_ROUTE));
    ifinfomsg link{};
    link.ifi_family = AF_UNSPEC;
    link.ifi_index = kLoopbackIndex;
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.body(link);
    return socket.request(message);
}

}  // namespace

Result<void> bring_up_loopback() {
    TRY_CTX(send_link_up(), "bring up lo");
    return {};
}

}  // namespace rk::sys
