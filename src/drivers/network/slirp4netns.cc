// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/slirp4netns.h"

#include "base/text.h"
#include "drivers/network/address_plan.h"
#include "ns/helper_program.h"
#include "ns/tap_device.h"
#include "sys/file.h"
#include "sys/unix_stream.h"
#include "wire/slirp4netns_api.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <linux/seccomp.h>
#include <sys/prctl.h>

namespace rk::drivers {

namespace {

// A start that cannot succeed has to say so within 5 s. Each takes milliseconds where it works.
constexpr std::chrono::seconds kProbeTime{4};
constexpr std::chrono::seconds kReadyTime{4};
constexpr std::size_t kMaxShown = 512;  // bytes of what a failed probe printed

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
    HelperPlan plan;
    plan.name = "slirp4netns";
    // Resolved once, and made absolute: a relative one would depend on who looks.
    const std::string found =
        TRY(sys::look_up_program(options.slirp4netns_binary, environment.get("PATH").value_or("")));
    plan.path = TRY(sys::absolute_path(found));
    plan.environment = ns::helper_environment(environment);
    auto probe = TRY(sys::RunningProgram::start(plan.path, {options.slirp4netns_binary, "--help"},
                                                plan.environment, sys::no_signals()));
    return std::unique_ptr<NetworkDriver>(
        new Slirp4netns(options, log, std::move(plan), std::move(probe)));
}

Slirp4netns::Slirp4netns(const model::Options& options, const Logger& log, HelperPlan plan,
                         sys::RunningProgram probe)
    : options_(options),
      plan_(std::move(plan)),
      probe_(std::move(probe)),
      setup_(plan_network(options)),
      helper_(kReadyTime, log) {}

Result<Slirp4netnsFeatures> Slirp4netns::features(const sys::Interrupt* interrupt) {
    const sys::ProgramOutcome outcome =
        TRY(probe_.wait(sys::Deadline::after(kProbeTime), interrupt));
    if (outcome.interrupted) {
        return fail(Error{"interrupted", EINTR});
    }
    if (!outcome.success()) {
        const std::string_view printed = std::string_view(outcome.output).substr(0, kMaxShown);
        return fail("command \"{} --help\" failed: {}{}", plan_.path, outcome.status_text(),
                    printed.empty() ? "" : ", having printed " + quote(trim(printed)));
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
    plan_.arguments = TRY(slirp4netns_command({.options = options_,
                                               .setup = setup_,
                                               .features = can,
                                               .kernel_seccomp = kernel_has_seccomp_filters(),
                                               .program = options_.slirp4netns_binary,
                                               .child = target.child,
                                               .detached_netns = target.detached_netns,
                                               .api_socket = std::move(api_socket)}));
    const auto namespaces =
        TRY(ns::TargetNamespaces::of_child(target.child, target.detached_netns));
    TRY(ns::create_tap(namespaces, setup_.device));
    TRY(helper_.start(std::move(plan_)));
    if (!target.detached_netns.empty()) {
        // The path leads through the child's mounts, which the child is about to change.
        TRY(wait_ready(interrupt));
    }
    return setup_;
}

Result<void> Slirp4netns::wait_ready(const sys::Interrupt* interrupt) {
    return helper_.wait_ready(interrupt);
}

Result<void> Slirp4netns::attach(loop::EventLoop& loop) {
    return helper_.attach(loop);
}

void Slirp4netns::when_health_changes(const HealthListener& listener) {
    helper_.when_health_changes(listener);
}

model::NetworkInfo Slirp4netns::info() const {
    model::NetworkInfo info;
    info.driver = "slirp4netns";
    for (const model::IpAddress& server : setup_.dns) {
        info.dns.push_back(server.text());
    }
    info.child_ip = setup_.address.text();
    info.ipv6 = setup_.ipv6;
    return info;
}

model::HelperHealth Slirp4netns::health() const {
    return helper_.health();
}

}  // namespace rk::drivers
