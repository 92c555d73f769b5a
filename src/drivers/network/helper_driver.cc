// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/helper_driver.h"

#include "base/text.h"
#include "ns/helper_program.h"

#include <cerrno>
#include <chrono>
#include <utility>

namespace rk::drivers {

namespace {

// A start that cannot succeed has to say so within 5 s. Each takes milliseconds where it works.
constexpr std::chrono::seconds kHelpTime{4};
constexpr std::chrono::seconds kReadyTime{4};
constexpr std::size_t kMaxShown = 512;  // bytes of what a failed --help printed

}  // namespace

model::NetworkInfo network_info(std::string_view driver, const model::NetworkSetup& setup) {
    model::NetworkInfo info;
    info.driver = driver;
    for (const model::IpAddress& server : setup.dns) {
        info.dns.push_back(server.text());
    }
    info.child_ip = setup.address.text();
    info.ipv6 = setup.ipv6;
    return info;
}

Result<HelperDriver::Program> HelperDriver::find(std::string_view driver, const std::string& binary,
                                                 const sys::Environment& environment) {
    HelperPlan plan;
    plan.name = driver;
    plan.path = TRY(ns::find_helper(binary, environment));
    plan.environment = ns::helper_environment(environment);
    auto help = TRY(sys::RunningProgram::start(plan.path, {binary, "--help"}, plan.environment,
                                               sys::no_signals()));
    return Program{std::move(plan), std::move(help)};
}

HelperDriver::HelperDriver(Program program, model::NetworkSetup setup, const Logger& log)
    : plan_(std::move(program.plan)),
      name_(plan_.name),
      path_(plan_.path),
      help_(std::move(program.help)),
      setup_(std::move(setup)),
      helper_(kReadyTime, log) {}

Result<sys::ProgramOutcome> HelperDriver::help(const sys::Interrupt* interrupt) {
    sys::ProgramOutcome outcome = TRY(help_.wait(sys::Deadline::after(kHelpTime), interrupt));
    if (outcome.interrupted) {
        return fail(Error{"interrupted", EINTR});
    }
    return outcome;
}

tl::unexpected<Error> HelperDriver::help_failed(const sys::ProgramOutcome& outcome,
                                                std::string_view advice) const {
    const std::string_view printed = std::string_view(outcome.output).substr(0, kMaxShown);
    return fail("command \"{} --help\" failed{}: {}{}", path_, advice, outcome.status_text(),
                printed.empty() ? "" : ", having printed " + quote(trim(printed)));
}

Result<model::NetworkSetup> HelperDriver::launch(Launch how, const NetworkTarget& target,
                                                 const sys::Interrupt* interrupt) {
    plan_.arguments = std::move(how.arguments);
    plan_.ready_fifo = std::move(how.ready_fifo);
    TRY(helper_.start(std::move(plan_)));
    if (!target.detached_netns.empty()) {
        // The path leads through the child's mounts, which the child is about to change.
        TRY(wait_ready(interrupt));
    }
    return setup_;
}

Result<void> HelperDriver::wait_ready(const sys::Interrupt* interrupt) {
    return helper_.wait_ready(interrupt);
}

Result<void> HelperDriver::attach(loop::EventLoop& loop) {
    return helper_.attach(loop);
}

void HelperDriver::when_health_changes(const HealthListener& listener) {
    helper_.when_health_changes(listener);
}

model::NetworkInfo HelperDriver::info() const {
    return network_info(name_, setup_);
}

model::HelperHealth HelperDriver::health() const {
    return helper_.health();
}

}  // namespace rk::drivers
