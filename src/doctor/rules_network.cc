// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: tap interfaces are made by /dev/net/tun, which belongs to the module `tun`.
// systemd and udev make the node for everybody (0666) and the kernel loads the module when it is
// opened; containers have neither unless they are told to.
#include "doctor/rules.h"

#include <cerrno>

namespace rk::doctor::rules {

namespace {

constexpr std::string_view kIntoContainer = "start the container with --device /dev/net/tun";

}  // namespace

Answer tun_missing(const Failure& /*failure*/, const Facts& facts) {
    // ENXIO and ENODEV: there is a node, but no driver.
    if (facts.tun_node && facts.tun_error != ENXIO && facts.tun_error != ENODEV) {
        return std::nullopt;
    }
    if (facts.container && !facts.tun_node) {
        return Diagnosis{.cause = "there is no /dev/net/tun in this container",
                         .remedy = std::string(kIntoContainer),
                         .block = {}};
    }
    return Diagnosis{
        .cause = facts.tun_node ? "the kernel has no driver for /dev/net/tun"
                                : "there is no /dev/net/tun",
        .remedy = facts.tun_node ? "sudo modprobe tun"
                                 : "sudo modprobe tun && { [ -e /dev/net/tun ] || { sudo mkdir -p "
                                   "/dev/net && sudo mknod -m 0666 /dev/net/tun c 10 200; }; }",
        .block = {}};
}

Answer tun_forbidden(const Failure& /*failure*/, const Facts& facts) {
    if (facts.tun_error != EACCES && facts.tun_error != EPERM) {
        return std::nullopt;
    }
    // A container's device policy says EPERM whatever the mode is.
    const bool by_policy = facts.container && facts.tun_error == EPERM;
    return Diagnosis{
        .cause = "this user may not open /dev/net/tun",
        .remedy = by_policy ? std::string(kIntoContainer) : "sudo chmod 0666 /dev/net/tun",
        .block = {}};
}

}  // namespace rk::doctor::rules
