// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/slirp4netns.h"

#include "drivers/network/address_plan.h"
#include "ns/tap_device.h"
#include "sys/unix_stream.h"
#include "wire/slirp4netns_api.h"

#include <cerrno>
#include <utility>

#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace rk::drivers {

namespace {

// The null pointer is looked at only by a kernel that has filters (prctl(2)).
bool kernel_has_seccomp_filters() {
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) < 0 && errno == EFAULT;
}

// The fixed network of libslirp for IPv6, with the number of its name server.
model::IpAddress ipv6_name_server() {
    return *model::IpAddress::parse("fd00::3");
}

model::NetworkSetup plan_network(const model::Options& options) {
    model::NetworkSetup setup = plan_addresses(options);
    setup.configured_by_child = true;
    if (options.ipv6) {
        setup.dns.push_back(ipv6_name_server());
    }
    return setup;
}

}  // namespace

Result<std::unique_ptr<NetworkDriver>> Slirp4netns::create(const model::Options& options,
                                                           const sys::Environment& environment,
                                                           const Logger& log) {
    Program program = TRY(find("slirp4netns", options.slirp4netns_binary, environment));
    return std::unique_ptr<NetworkDriver>(new Slirp4netns(options, log, std::move(program)));
}

Slirp4netns::Slirp4netns(const model::Options& options, const Logger& log, Program program)
    : HelperDriver(std::move(program), plan_network(options), log), options_(options) {}

Result<Slirp4netnsFeatures> Slirp4netns::features(const sys::Interrupt* interrupt) {
    const sys::ProgramOutcome outcome = TRY(help(interrupt));
    if (!outcome.success()) {
        return help_failed(outcome, "");
    }
    return parse_slirp4netns_help(outcome.output);
}

Result<model::NetworkSetup> Slirp4netns::start(const NetworkTarget& target,
                                               const sys::Interrupt* interrupt) {
    const Slirp4netnsFeatures can = TRY(features(interrupt));
    std::string api_socket;
    if (options_.port_driver == model::PortDriver::kSlirp4netns) {
        api_socket = target.state_dir + "/" + wire::kSlirp4netnsSocket;
        if (Result<void> fits = sys::check_socket_path(api_socket); !fits) {
            return fail("{}", fits.error().message);  // nothing to diagnose
        }
    }
    auto arguments = TRY(slirp4netns_command({.options = options_,
                                              .setup = setup(),
                                              .features = can,
                                              .kernel_seccomp = kernel_has_seccomp_filters(),
                                              .program = options_.slirp4netns_binary,
                                              .child = target.child,
                                              .detached_netns = target.detached_netns,
                                              .api_socket = std::move(api_socket)}));
    const auto namespaces =
        TRY(ns::TargetNamespaces::of_child(target.child, target.detached_netns));
    TRY(ns::create_tap(namespaces, setup().device));
    return launch({.arguments = std::move(arguments)}, target, interrupt);
}

}  // namespace rk::drivers
