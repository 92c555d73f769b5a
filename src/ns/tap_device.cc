// SPDX-License-Identifier: Apache-2.0
#include "ns/tap_device.h"

#include "sys/file.h"
#include "sys/process.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace rk::ns {

namespace {

Result<ifreq> request_for(const std::string& name) {
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name) {
        return fail(errno_error(EINVAL, "name too long"));
    }
    std::memcpy(&request.ifr_name[0], name.data(), name.size());
    return request;
}

// The interface appears in the network namespace of the process that opens the device.
Result<sys::Fd> open_here(const std::string& name) {
    sys::Fd tun = TRY(sys::open_file("/dev/net/tun", O_RDWR | O_NONBLOCK));
    ifreq request = TRY(request_for(name));
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(tun.number(), TUNSETIFF, &request) < 0) {
        return fail(errno_error(errno, "TUNSETIFF"));
    }
    return tun;
}

Result<void> create_here(const std::string& name) {
    const sys::Fd tun = TRY(open_here(name));
    if (::ioctl(tun.number(), TUNSETPERSIST, 1UL) < 0) {
        return fail(errno_error(errno, "TUNSETPERSIST"));
    }
    return {};
}

}  // namespace

Result<void> create_tap(const TargetNamespaces& namespaces, const std::string& name) {
    const auto enter_and_create = [&]() -> Result<void> {
        TRY(namespaces.enter());
        return create_here(name);
    };
    TRY_CTX(sys::run_forked(0, enter_and_create), "create interface {}", name);
    return {};
}

Result<sys::Fd> open_tap_here(const std::string& name) {
    return TRY_CTX(open_here(name), "open interface {}", name);
}

Result<void> set_mac_address(sys::FdRef tap, const std::string& name,
                             const model::MacAddress& address) {
    ifreq request = TRY(request_for(name));
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(&request.ifr_hwaddr.sa_data[0], address.data(), address.size());
    if (::ioctl(tap.number(), SIOCSIFHWADDR, &request) < 0) {
        return fail(errno_error(errno, "set the address of interface " + name));
    }
    return {};
}

}  // namespace rk::ns
