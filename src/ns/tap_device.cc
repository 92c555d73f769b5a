// SPDX-License-Identifier: Apache-2.0
#include "ns/tap_device.h"

#include "sys/file.h"
#include "sys/process.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace rk::ns {

namespace {

// The interface appears in the network namespace of the process that opens the device.
Result<void> create_here(const std::string& name) {
    const sys::Fd tun = TRY(sys::open_file("/dev/net/tun", O_RDWR));
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name) {
        return fail(errno_error(EINVAL, "name too long"));
    }
    std::memcpy(&request.ifr_name[0], name.data(), name.size());
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(tun.number(), TUNSETIFF, &request) < 0) {
        return fail(errno_error(errno, "TUNSETIFF"));
    }
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

}  // namespace rk::ns
