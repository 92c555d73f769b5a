// SPDX-License-Identifier: Apache-2.0
#include "ns/interface_config.h"

#include "ns/network_namespace.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/route_requests.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::ns {

namespace {

// A helper that is ready is attached, so this is for those that lie.
constexpr std::chrono::milliseconds kCarrierTime{1000};
constexpr useconds_t kLookEveryUs = 500;

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

// What cannot be asked for counts as carrying: there is nothing to wait for. The question makes the
// kernel do at once what is left to do for the interface (linkwatch_sync_dev, net/ethtool/ioctl.c).
bool has_carrier(const sys::Fd& socket, const std::string& device) {
    ethtool_value link{.cmd = ETHTOOL_GLINK, .data = 0};
    ifreq request{};
    std::memcpy(&request.ifr_name[0], device.data(),
                std::min(device.size(), sizeof request.ifr_name - 1));
    request.ifr_data = reinterpret_cast<char*>(&link);  // NOLINT(*-reinterpret-cast): kernel ABI
    return ::ioctl(socket.number(), SIOCETHTOOL, &request) < 0 || link.data != 0;
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

void wait_for_carrier(const std::string& device) {
    const sys::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sys::Deadline deadline = sys::Deadline::after(kCarrierTime);
    while (socket.valid() && !has_carrier(socket, device) && !deadline.passed()) {
        ::usleep(kLookEveryUs);
    }
}

Result<void> remove_address(const model::NetworkSetup& setup) {
    TRY_CTX(take_back(setup), "remove address {}/{} from {}", setup.address.text(), setup.prefix,
            setup.device);
    return {};
}

}  // namespace rk::ns
