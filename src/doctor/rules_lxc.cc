// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: lxc-user-nic(1) is set-user-ID root, asks lxc-usernet(5) whether the user
// may, and attaches to a bridge that somebody else has made; a DHCP server, too, is somebody
// else's. Debian's and Ubuntu's service lxc-net makes the bridge lxcbr0 with a dnsmasq.
#include "doctor/remedies.h"
#include "doctor/rules.h"

#include <fmt/format.h>

#include <cerrno>

namespace rk::doctor::rules {

namespace {

constexpr std::string_view kServicesBridge = "lxcbr0";

bool about_lxc(const Failure& failure) {
    return failure.program == kLxcUserNic;
}

std::string install_lxc(wire::Distribution distribution) {
    return install_package(distribution, "lxc", kLxcUserNic);
}

}  // namespace

Answer lxc_missing(const Failure& failure, const Facts& facts) {
    if (!about_lxc(failure) || !facts.lxc.program.path.empty()) {
        return std::nullopt;
    }
    return Diagnosis{.cause = failure.target.empty()
                                  ? "lxc-user-nic is not installed"
                                  : fmt::format("there is no program {}", failure.target),
                     .remedy = install_lxc(facts.distribution),
                     .block = {}};
}

Answer lxc_no_new_privs(const Failure& failure, const Facts& facts) {
    return about_lxc(failure) && failure.code == 0 ? no_new_privs(failure, facts) : std::nullopt;
}

Answer lxc_unprivileged(const Failure& failure, const Facts& facts) {
    const HelperFacts& program = facts.lxc.program;
    // Of any other program it would be dangerous advice.
    const bool known = program.path.ends_with(fmt::format("/{}", kLxcUserNic));
    if (!about_lxc(failure) || !known || facts.uid == 0) {
        return std::nullopt;
    }
    const std::string path = shell_word(program.path);
    if (program.nosuid) {
        return Diagnosis{
            .cause = fmt::format("{} is on a filesystem mounted nosuid, so it gains no privilege",
                                 program.path),
            .remedy =
                fmt::format("sudo mount -o remount,suid \"$(findmnt -n -o TARGET -T {})\"", path),
            .block = {}};
    }
    if (program.setuid && program.owner == 0) {
        return std::nullopt;
    }
    return Diagnosis{.cause = fmt::format("{} is not set-user-ID root", program.path),
                     .remedy = fmt::format("sudo chown root:root {0} && sudo chmod u+s {0}", path),
                     .block = {}};
}

Answer lxc_bridge_missing(const Failure& failure, const Facts& facts) {
    if (!about_lxc(failure) || facts.lxc.bridge_exists) {
        return std::nullopt;
    }
    const bool by_service = failure.bridge == kServicesBridge;
    return Diagnosis{
        .cause = fmt::format("there is no bridge {}", failure.bridge),
        .remedy = by_service
                      ? "sudo systemctl start lxc-net"
                      : fmt::format("name another one by --lxc-user-nic-bridge, or make it (and "
                                    "run a DHCP server there): sudo ip link add {0} type bridge "
                                    "&& sudo ip link set {0} up",
                                    shell_word(failure.bridge)),
        .block = {}};
}

Answer lxc_not_granted(const Failure& failure, const Facts& facts) {
    if (!about_lxc(failure) || failure.code != 0 ||
        facts.lxc.grant == wire::UsernetGrant::kToUser) {
        return std::nullopt;
    }
    // Whether the user is in a group that is granted the bridge is not known here.
    const bool refused = failure.output.find("Quota reached") != std::string::npos ||
                         facts.lxc.grant == wire::UsernetGrant::kNone;
    if (!refused) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("/etc/lxc/lxc-usernet does not let {} use the bridge {}", facts.user,
                             failure.bridge),
        .remedy = fmt::format("echo {} | sudo tee -a /etc/lxc/lxc-usernet",
                              shell_word(fmt::format("{} veth {} 10", facts.user, failure.bridge))),
        .block = {}};
}

Answer lxc_quota(const Failure& failure, const Facts& /*facts*/) {
    if (!about_lxc(failure) || failure.output.find("Quota reached") == std::string::npos) {
        return std::nullopt;
    }
    return Diagnosis{
        .cause = fmt::format("as many interfaces as /etc/lxc/lxc-usernet allows are on the bridge "
                             "{} already",
                             failure.bridge),
        .remedy = "raise the number in that line of /etc/lxc/lxc-usernet, or end another run",
        .block = {}};
}

Answer lxc_no_dhcp(const Failure& failure, const Facts& /*facts*/) {
    if (!about_lxc(failure) || failure.code != ETIMEDOUT) {
        return std::nullopt;
    }
    const bool by_service = failure.bridge == kServicesBridge;
    return Diagnosis{
        .cause = fmt::format("no DHCP server gives addresses on the bridge {}, or a firewall drops "
                             "what goes to UDP port 67 there",
                             failure.bridge),
        .remedy = by_service ? "sudo systemctl restart lxc-net"
                             : fmt::format("start one, for instance: sudo dnsmasq "
                                           "--bind-interfaces --interface={} --except-interface=lo "
                                           "--dhcp-range=FIRST_ADDRESS,LAST_ADDRESS",
                                           shell_word(failure.bridge)),
        .block = {}};
}

}  // namespace rk::doctor::rules
