// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/pasta.h"

#include "drivers/network/address_plan.h"
#include "drivers/port/pesto.h"
#include "model/pasta.h"

#include <utility>

#include <unistd.h>

namespace rk::drivers {

namespace {

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
    if (options.port_driver == model::PortDriver::kPesto) {
        TRY(find_pesto(options.pasta_binary, environment));  // better now than with the first port
    }
    Program program = TRY(find("pasta", options.pasta_binary, environment));
    return std::unique_ptr<NetworkDriver>(new Pasta(options, log, std::move(program)));
}

Pasta::Pasta(const model::Options& options, const Logger& log, Program program)
    : HelperDriver(std::move(program), plan_network(options), log), options_(options) {}

Result<PastaFeatures> Pasta::features(const sys::Interrupt* interrupt) {
    const sys::ProgramOutcome outcome = TRY(help(interrupt));
    const PastaFeatures known = parse_pasta_help(outcome.output);
    if (!outcome.success() && !known.config_net) {
        return help_failed(outcome, ", make sure pasta is installed");
    }
    return known;
}

Result<model::NetworkSetup> Pasta::start(const NetworkTarget& target,
                                         const sys::Interrupt* interrupt) {
    const PastaFeatures can = TRY(features(interrupt));
    const std::string ready_fifo = fmt::format("{}/{}", target.state_dir, kReadyFifo);
    auto arguments = TRY(pasta_command(
        {.options = options_,
         .setup = setup(),
         .features = can,
         .program = options_.pasta_binary,
         .child = target.child,
         .detached_netns = target.detached_netns,
         .ready_fifo = ready_fifo,
         .control_socket = fmt::format("{}/{}", target.state_dir, model::kPastaControlSocket),
         .as_root = ::geteuid() == 0}));
    return launch({.arguments = std::move(arguments), .ready_fifo = ready_fifo}, target, interrupt);
}

}  // namespace rk::drivers
