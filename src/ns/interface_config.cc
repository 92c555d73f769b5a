// SPDX-License-Identifier: Apache-2.0
#include "ns/interface_config.h"

#include "ns/network_namespace.h"
#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/route_requests.h"

#include <cerrno>

#include <linux/netlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

// Router advertisements are ignored by hosts that forward (accept_ra=1), which every container
// engine makes of its namespace; 2 means: always. Not worth an error where /proc/sys is read-only.
void accept_router_advertisements(const std::string& device) {
    static_cast<void>(
        sys::write_existing(fmt::format("/proc/sys/net/ipv6/conf/{}/accept_ra", device), "2"));
}

Result<unsigned> find_interface(const std::string& device) {
    const unsigned index = ::if_nametoindex(device.c_str());
    if (index == 0) {
        return fail(errno_error(errno, "find it"));
    }
    return index;
}

Result<void> bring_up(sys::NetlinkSocket& routing, unsigned index, std::uint32_t mtu) {
    TRY_CTX(routing.request(sys::set_link_up(index, mtu)), "bring up with MTU {}", mtu);
    return {};
}

Result<void> configure(const model::NetworkSetup& setup) {
    const unsigned index = TRY(find_interface(setup.device));
    if (setup.ipv6) {
        accept_router_advertisements(setup.device);
    }
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY(bring_up(routing, index, setup.mtu));
    TRY_CTX(routing.create(sys::add_address(index, setup.address, setup.prefix)),
            "add address {}/{}", setup.address.text(), setup.prefix);
    TRY_CTX(routing.create(sys::add_default_route(index, setup.gateway)),
            "add default route via {}", setup.gateway.text());
    return {};
}

// A request to remove what may be gone already.
Result<void> remove(sys::NetlinkSocket& routing, const sys::NetlinkMessage& request) {
    Result<void> removed = routing.request(request);
    if (!removed && (removed.error().code == EADDRNOTAVAIL || removed.error().code == ESRCH)) {
        return {};
    }
    return removed;
}

Result<void> take_back(const model::NetworkSetup& setup) {
    const unsigned index = TRY(find_interface(setup.device));
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY(remove(routing, sys::remove_default_route(index, setup.gateway)));
    return remove(routing, sys::remove_address(index, setup.address, setup.prefix));
}

}  // namespace

Result<void> configure_interface(const model::NetworkSetup& setup) {
    TRY_CTX(configure(setup), "set up interface {}", setup.device);
    return {};
}

Result<void> configure_interface_in(const std::string& netns, const model::NetworkSetup& setup) {
    const sys::Fd target = TRY(open_network_namespace(netns));
    return in_network_namespace(target, [&] { return configure_interface(setup); });
}

Result<void> bring_up_interface(const std::string& device, std::uint32_t mtu) {
    const auto work = [&]() -> Result<void> {
        const unsigned index = TRY(find_interface(device));
        auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
        return bring_up(routing, index, mtu);
    };
    TRY_CTX(work(), "set up interface {}", device);
    return {};
}

Result<void> remove_address(const model::NetworkSetup& setup) {
    TRY_CTX(take_back(setup), "remove address {}/{} from {}", setup.address.text(), setup.prefix,
            setup.device);
    return {};
}

}  // namespace rk::ns
