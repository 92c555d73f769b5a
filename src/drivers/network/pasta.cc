// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/pasta.h"

#include "base/text.h"
#include "drivers/network/address_plan.h"
#include "drivers/port/pesto.h"
#include "model/pasta.h"
#include "ns/helper_program.h"
#include "sys/file.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <unistd.h>

namespace rk::drivers {

namespace {

// A start that cannot succeed has to say so within 5 s. Each takes milliseconds where it works.
constexpr std::chrono::seconds kProbeTime{4};
constexpr std::chrono::seconds kReadyTime{4};
constexpr std::size_t kMaxShown = 512;  // bytes of what a failed probe printed

constexpr std::string_view kReadyFifo = ".pasta-ready";  // in the state directory

model::NetworkSetup plan_network(const model::Options& options) {
    model::NetworkSetup setup = plan_addresses(options);
    setup.configured_by_child = false;
    if (options.ipv6) {
        setup.dns.push_back(*model::IpAddress::parse(model::kPastaIpv6.name_server));
    }
    return setup;
}

}  // namespace

Result<std::unique_ptr<NetworkDriver>> Pasta::create(const model::Options& options,
                                                     const sys::Environment& environment,
                                                     const Logger& log) {
    HelperPlan plan;
    plan.name = "pasta";
    // Resolved once, and made absolute: a relative one would depend on who looks.
    const std::string found =
        TRY(sys::look_up_program(options.pasta_binary, environment.get("PATH").value_or("")));
    plan.path = TRY(sys::absolute_path(found));
    if (options.port_driver == model::PortDriver::kPesto) {
        TRY(find_pesto(options.pasta_binary, environment));  // better now than with the first port
    }
    plan.environment = ns::helper_environment(environment);
    auto probe = TRY(sys::RunningProgram::start(plan.path, {options.pasta_binary, "--help"},
                                                plan.environment, sys::no_signals()));
    return std::unique_ptr<NetworkDriver>(
        new Pasta(options, log, std::move(plan), std::move(probe)));
}

Pasta::Pasta(const model::Options& options, const Logger& log, HelperPlan plan,
             sys::RunningProgram probe)
    : options_(options),
      plan_(std::move(plan)),
      probe_(std::move(probe)),
      setup_(plan_network(options)),
      helper_(kReadyTime, log) {}

Result<PastaFeatures> Pasta::features(const sys::Interrupt* interrupt) {
    const sys::ProgramOutcome outcome =
        TRY(probe_.wait(sys::Deadline::after(kProbeTime), interrupt));
    if (outcome.interrupted) {
        return fail(Error{"interrupted", EINTR});
    }
    const PastaFeatures known = parse_pasta_help(outcome.output);
    if (!outcome.success() && !known.config_net) {
        const std::string_view printed = std::string_view(outcome.output).substr(0, kMaxShown);
        return fail("command \"{} --help\" failed, make sure pasta is installed: {}{}", plan_.path,
                    outcome.status_text(),
                    printed.empty() ? "" : ", having printed " + quote(trim(printed)));
    }
    return known;
}

Result<model::NetworkSetup> Pasta::start(const NetworkTarget& target,
                                         const sys::Interrupt* interrupt) {
    const PastaFeatures can = TRY(features(interrupt));
    plan_.ready_fifo = fmt::format("{}/{}", target.state_dir, kReadyFifo);
    plan_.arguments = TRY(pasta_command(
        {.options = options_,
         .setup = setup_,
         .features = can,
         .program = options_.pasta_binary,
         .child = target.child,
         .detached_netns = target.detached_netns,
         .ready_fifo = plan_.ready_fifo,
         .control_socket = fmt::format("{}/{}", target.state_dir, model::kPastaControlSocket),
         .as_root = ::geteuid() == 0}));
    TRY(helper_.start(std::move(plan_)));
    if (!target.detached_netns.empty()) {
        // The path leads through the child's mounts, which the child is about to change.
        TRY(wait_ready(interrupt));
    }
    return setup_;
}

Result<void> Pasta::wait_ready(const sys::Interrupt* interrupt) {
    return helper_.wait_ready(interrupt);
}

Result<void> Pasta::attach(loop::EventLoop& loop) {
    return helper_.attach(loop);
}

void Pasta::when_health_changes(const HealthListener& listener) {
    helper_.when_health_changes(listener);
}

model::NetworkInfo Pasta::info() const {
    model::NetworkInfo info;
    info.driver = "pasta";
    for (const model::IpAddress& server : setup_.dns) {
        info.dns.push_back(server.text());
    }
    info.child_ip = setup_.address.text();
    info.ipv6 = setup_.ipv6;
    return info;
}

model::HelperHealth Pasta::health() const {
    return helper_.health();
}

}  // namespace rk::drivers
