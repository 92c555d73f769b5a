// SPDX-License-Identifier: Apache-2.0
#include "ns/interface_config.h"

#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/process.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

using sys::NetlinkMessage;

// ip link set dev DEV mtu MTU up
NetlinkMessage link_request(unsigned index, std::uint32_t mtu) {
    ifinfomsg body{};
    body.ifi_family = AF_UNSPEC;
    body.ifi_index = static_cast<int>(index);
    body.ifi_flags = IFF_UP;
    body.ifi_change = IFF_UP;
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.body(body).u32(IFLA_MTU, mtu);
    return message;
}

// ip addr add IP/PREFIX dev DEV
NetlinkMessage address_request(unsigned index, const model::NetworkSetup& setup) {
    ifaddrmsg body{};
    body.ifa_family = AF_INET;
    body.ifa_prefixlen = setup.prefix;
    body.ifa_scope = RT_SCOPE_UNIVERSE;
    body.ifa_index = index;
    NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body)
        .big_endian_u32(IFA_LOCAL, setup.address.to_v4())
        .big_endian_u32(IFA_ADDRESS, setup.address.to_v4());
    return message;
}

// ip route add default via GW dev DEV
NetlinkMessage route_request(unsigned index, const model::NetworkSetup& setup) {
    rtmsg body{};
    body.rtm_family = AF_INET;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_BOOT;
    body.rtm_scope = RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body).big_endian_u32(RTA_GATEWAY, setup.gateway.to_v4()).u32(RTA_OIF, index);
    return message;
}

// Router advertisements are ignored by hosts that forward (accept_ra=1), which every container
// engine makes of its namespace; 2 means: always. Not worth an error where /proc/sys is read-only.
void accept_router_advertisements(const std::string& device) {
    static_cast<void>(
        sys::write_existing(fmt::format("/proc/sys/net/ipv6/conf/{}/accept_ra", device), "2"));
}

Result<void> configure(const model::NetworkSetup& setup) {
    const unsigned index = ::if_nametoindex(setup.device.c_str());
    if (index == 0) {
        return fail(errno_error(errno, "find it"));
    }
    if (setup.ipv6) {
        accept_router_advertisements(setup.device);
    }
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY_CTX(routing.request(link_request(index, setup.mtu)), "bring up with MTU {}", setup.mtu);
    TRY_CTX(routing.create(address_request(index, setup)), "add address {}/{}",
            setup.address.text(), setup.prefix);
    TRY_CTX(routing.create(route_request(index, setup)), "add default route via {}",
            setup.gateway.text());
    return {};
}

Result<void> enter(const std::string& netns) {
    const sys::Fd target = TRY(sys::open_file(netns, O_RDONLY));
    if (::setns(target.number(), CLONE_NEWNET) < 0) {
        return fail(errno_error(errno, fmt::format("enter {}", netns)));
    }
    return {};
}

}  // namespace

Result<void> configure_interface(const model::NetworkSetup& setup) {
    TRY_CTX(configure(setup), "set up interface {}", setup.device);
    return {};
}

Result<void> configure_interface_in(const std::string& netns, const model::NetworkSetup& setup) {
    return sys::run_forked(0, [&]() -> Result<void> {
        TRY(enter(netns));
        return configure_interface(setup);
    });
}

}  // namespace rk::ns
