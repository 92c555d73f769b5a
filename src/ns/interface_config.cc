// SPDX-License-Identifier: Apache-2.0
#include "ns/interface_config.h"

#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/process.h"
#include "sys/route_requests.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

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
    TRY_CTX(routing.request(sys::set_link_up(index, setup.mtu)), "bring up with MTU {}", setup.mtu);
    TRY_CTX(routing.create(sys::add_address(index, setup.address, setup.prefix)),
            "add address {}/{}", setup.address.text(), setup.prefix);
    TRY_CTX(routing.create(sys::add_default_route(index, setup.gateway)),
            "add default route via {}", setup.gateway.text());
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
