// SPDX-License-Identifier: Apache-2.0
#include "launch/services.h"

#include "drivers/network/builtin.h"
#include "drivers/port/builtin.h"
#include "drivers/port/inherited.h"
#include "drivers/port/pesto.h"
#include "drivers/port/registry.h"
#include "drivers/port/source_ip.h"
#include "launch/network_service.h"
#include "launch/relay_options.h"
#include "launch/relay_process.h"
#include "ns/helper_program.h"
#include "ns/target_namespaces.h"
#include "relay/relay.h"
#include "sys/clock.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <unistd.h>

namespace rk::launch {

namespace {

// The host's uids that are somebody inside; they may use the API as the user may.
std::vector<model::IdRange> outside_ids(const model::IdMap& map) {
    std::vector<model::IdRange> ranges;
    for (const model::IdMapEntry& entry : map) {
        ranges.push_back({entry.outside, entry.length});
    }
    return ranges;
}

std::optional<model::NetworkInfo> info_without_driver(const model::Options& options) {
    if (options.network == model::NetworkDriver::kNone) {
        model::NetworkInfo info;
        info.driver = "none";
        return info;
    }
    return std::nullopt;
}

}  // namespace

bool ServicesPlan::carries_network() const {
    return network != nullptr && network->builtin() != nullptr;
}

Result<Services> Services::start(ServicesPlan plan, const Logger& log) {
    Services services(std::move(plan), log);
    TRY(services.make_port_driver());
    TRY(services.publish());
    return services;
}

bool Services::publishes_by_request() const {
    return plan_.options.port_driver != model::PortDriver::kNone &&
           plan_.options.port_driver != model::PortDriver::kImplicit;
}

// The relay carries published ports and, with the builtin network, all else: then it runs whether
// there is a port driver or not.
Result<void> Services::make_relay() {
    target_ = std::make_shared<ns::TargetNamespaces>(TRY(ns::TargetNamespaces::of_child(
        plan_.child, plan_.options.detach_netns ? plan_.state_dir.file("netns") : "")));
    relay_ = std::make_shared<drivers::RelayKeeper>(
        [target = target_, &options = plan_.options, network = plan_.network] {
            return start_relay_process(*target, relay_options(options, network));
        },
        log_);
    return plan_.carries_network() ? relay_->keep_running() : Result<void>{};
}

Result<void> Services::make_port_driver() {
    const model::Options& options = plan_.options;
    if (options.port_driver == model::PortDriver::kNone && !plan_.carries_network()) {
        return {};
    }
    TRY(make_relay());
    drivers::PortDriverParts parts;
    parts.state_dir = plan_.state_dir.path();
    if (plan_.network != nullptr) {
        parts.network = plan_.network->info();
        parts.health = plan_.network->health();
    }
    if (options.port_driver == model::PortDriver::kPesto) {
        parts.pesto = TRY(drivers::find_pesto(options.pasta_binary, plan_.environment));
        parts.helper_environment = ns::helper_environment(plan_.environment);
    }
    drivers::BuiltinPortParts& builtin = parts.builtin;
    builtin.argv0 = plan_.argv0;
    if (options.port_driver == model::PortDriver::kGvisorTapVsock) {
        builtin.name = "gvisor-tap-vsock";
    }
    builtin.source_ip_transparent = options.source_ip_transparent;
    builtin.relay = relay_;
    builtin.set_up_source_ip = [target = target_,
                                request = drivers::SourceIpRequest{
                                    options.source_ip_transparent_backend, plan_.environment}] {
        return drivers::SourceIpSetup::begin(*target, request);
    };
    builtin.gateway = gateway_targets(plan_.network);
    builtin.inherited = drivers::inherited_sockets(plan_.environment, ::getpid());
    // Implicit ports are published by a driver of their own.
    const bool implicit =
        plan_.carries_network() && options.port_driver == model::PortDriver::kImplicit;
    ports_ = TRY(drivers::make_port_driver(
        implicit ? model::PortDriver::kBuiltin : options.port_driver, std::move(parts), log_));
    if (ports_ != nullptr) {
        ports_->prepare();
    }
    return {};
}

Result<void> Services::publish() {
    for (const model::PortSpec& spec : plan_.options.publish) {
        TRY_CTX(publish_one(spec), "failed to expose port {}", spec.in_braces());
    }
    return {};
}

Result<void> Services::publish_one(const model::PortSpec& spec) {
    // After a kill -9 of the run before, its relay needs a moment to die and to free the port.
    const auto patience = std::chrono::milliseconds(plan_.state_dir.recovered() ? 500 : 0);
    const sys::Deadline deadline = sys::Deadline::after(patience);
    for (;;) {
        const auto added = ports_->add(spec);
        if (added) {
            return {};
        }
        if (added.error().code != EADDRINUSE || deadline.passed()) {
            return fail(added.error());
        }
        ::usleep(5000);
    }
}

std::vector<std::uint16_t> Services::withheld_sockets() const {
    return ports_ != nullptr ? ports_->inherited_in_use() : std::vector<std::uint16_t>();
}

Result<void> Services::open_api() {
    api::Service service;
    service.info.version = plan_.version;
    service.info.state_dir = plan_.state_dir.path();
    service.info.child_pid = plan_.child;
    service.info.network = info_without_driver(plan_.options);
    if (plan_.network != nullptr) {
        service.network = [network = plan_.network] { return network->info(); };
    }
    service.ports = publishes_by_request() ? ports_.get() : nullptr;
    if (plan_.carries_network()) {
        serve_network(*plan_.network->builtin(), relay_, service);
    }
    // Networks without a program of their own have no PID to tell.
    if (plan_.network != nullptr && plan_.network->health().pid != 0) {
        service.helper = [network = plan_.network] { return network->health(); };
    }
    api::Server::Options options;
    options.path = plan_.state_dir.file("api.sock");
    options.permitted_uids = outside_ids(plan_.maps.uids);
    server_ = TRY(api::Server::listen(std::move(options), std::move(service), log_));
    return {};
}

// pasta publishes by itself; with the builtin network there is a port driver for us alone.
Result<void> Services::publish_implicitly(loop::EventLoop& loop) {
    const gateway::Sockets& sockets = plan_.network->builtin()->sockets();
    implicit_ = std::make_unique<drivers::ImplicitPorts>(
        drivers::ImplicitParts{sockets.diag, sockets.ephemeral_ports, *ports_}, log_);
    return implicit_->attach(loop);
}

Result<void> Services::serve(loop::EventLoop& loop) {
    if (relay_ != nullptr) {
        relay_->attach(loop);
    }
    if (ports_ != nullptr) {
        ports_->attach(loop);
    }
    if (plan_.options.port_driver == model::PortDriver::kImplicit && ports_ != nullptr) {
        TRY_CTX(publish_implicitly(loop), "watch the sockets inside");
    }
    if (ports_ != nullptr && plan_.network != nullptr) {
        plan_.network->when_health_changes(
            [ports = ports_.get()](const auto& health) { ports->network_changed(health); });
    }
    if (plan_.carries_network()) {
        // The command is to find its network, and the relay in its sandbox: it answers from there.
        TRY_CTX(relay_->stats(), "start the builtin network's relay");
    }
    return server_->serve(loop);
}

}  // namespace rk::launch
