// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/builtin.h"

#include "base/text.h"
#include "doctor/failure.h"
#include "drivers/network/address_plan.h"
#include "gateway/resolvers.h"
#include "ns/target_namespaces.h"
#include "relay/relay.h"
#include "sys/file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include <sys/epoll.h>

namespace rk::drivers {

namespace {

// Milliseconds where it works; past it the kernel itself hangs.
constexpr std::chrono::seconds kBuildTime{4};
// Closing a watch takes the kernel a grace period of SRCU (measured: 19 ms), which a short command
// need not pay.
constexpr std::chrono::milliseconds kWatchDelay{1000};
// The first way of holding connections to try; the later ones can be tried out by it.
constexpr std::string_view kQueueVariable = "ROOTLESSKIT_BUILTIN_QUEUE";
constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr std::size_t kMaxResolvConf = 65536;

model::IpAddress literal(std::string_view text) {
    return *model::IpAddress::parse(text);
}

// The addresses that slirp4netns and pasta have made usual.
gateway::FamilyPlan ipv6_plan() {
    return {.address = literal("fd00::100"),
            .prefix = 64,
            .gateway = literal("fd00::2"),
            .dns = literal("fd00::3")};
}

// A line of /proc/net/if_inet6: address, index, prefix length, scope (00: global), flags, device.
bool host_has_global_ipv6() {
    const auto text = sys::read_file("/proc/net/if_inet6");
    if (!text) {
        return false;
    }
    return std::ranges::any_of(split(*text, '\n'), [](std::string_view line) {
        const auto words = split_blanks(line);
        return words.size() >= 6 && words[3] == "00" && words[5] != "lo";
    });
}

gateway::Plan plan_network(const model::Options& options) {
    const model::NetworkSetup setup = plan_addresses(options);
    gateway::Plan plan;
    plan.device = setup.device;
    plan.mtu = setup.mtu;
    plan.v4 = {.address = setup.address,
               .prefix = setup.prefix,
               .gateway = setup.gateway,
               .dns = setup.dns.front()};
    if (options.network == model::NetworkDriver::kBuiltin &&
        (options.ipv6_given ? options.ipv6 : host_has_global_ipv6())) {
        plan.v6 = ipv6_plan();
    }
    plan.watch_sockets = options.port_driver == model::PortDriver::kImplicit;
    plan.workers = relay::worker_count({});
    return plan;
}

std::vector<model::IpAddress> host_resolvers() {
    return gateway::upstream_resolvers(sys::read_file(kResolvConf, kMaxResolvConf).value_or(""));
}

}  // namespace

Result<std::unique_ptr<NetworkDriver>> BuiltinNetwork::create(const model::Options& options,
                                                              const sys::Environment& environment,
                                                              const Logger& log) {
    gateway::Plan plan = plan_network(options);
    if (const auto name = environment.get(kQueueVariable); name && !name->empty()) {
        const auto mode = gateway::queue_mode_of(*name);
        if (!mode) {
            return fail("environment variable {}: no such way to hold connections: {:?}",
                        kQueueVariable, *name);
        }
        plan.best_mode = *mode;
    }
    auto ledger = TRY(gateway::SharedLedger::make());
    return std::unique_ptr<NetworkDriver>(
        new BuiltinNetwork(options, std::move(plan), std::move(ledger), log));
}

BuiltinNetwork::BuiltinNetwork(const model::Options& options, gateway::Plan plan,
                               gateway::SharedLedger ledger, const Logger& log)
    : options_(options),
      log_(log),
      plan_(std::move(plan)),
      ledger_(std::move(ledger)),
      egress_(options.egress, {.push = [this](const auto& rules) { return push(rules); },
                               .hits = [this] { return hits(); }}),
      resolvers_(host_resolvers()) {}

BuiltinNetwork::~BuiltinNetwork() {
    if (loop_ != nullptr && resolv_conf_) {
        loop_->remove(resolv_conf_->fd());
    }
}

Result<model::NetworkSetup> BuiltinNetwork::start(const NetworkTarget& target,
                                                  const sys::Interrupt* /*interrupt*/) {
    const auto namespaces =
        TRY(ns::TargetNamespaces::of_child(target.child, target.detached_netns));
    builder_.emplace(TRY(gateway::Builder::start(namespaces, plan_)));
    model::NetworkSetup setup = plan_addresses(options_);
    setup.configured_by_child = false;
    setup.ipv6 = plan_.v6.has_value();
    if (plan_.v6) {
        setup.dns.push_back(plan_.v6->dns);
    }
    return setup;
}

Result<void> BuiltinNetwork::wait_ready(const sys::Interrupt* interrupt) {
    sockets_ = TRY(builder_->finish(sys::Deadline::after(kBuildTime), interrupt));
    builder_.reset();
    log_.debug("builtin network: connections are held by {}", gateway::name_of(sockets_.mode));
    if (sockets_.mode == gateway::QueueMode::kAcceptFirst) {
        log_.warn(
            "builtin network: connections from inside are accepted before it is known whether "
            "their "
            "destination answers: {}",
            plan_.best_mode == gateway::QueueMode::kXtables
                ? "this kernel cannot queue packets (CONFIG_NETFILTER_NETLINK_QUEUE with "
                  "CONFIG_NFT_QUEUE or CONFIG_NETFILTER_XT_TARGET_NFQUEUE)"
                : kQueueVariable);
    }
    return {};
}

Result<void> BuiltinNetwork::attach(loop::EventLoop& loop) {
    loop_ = &loop;
    watch_later_.emplace(TRY(loop::Timer::create(loop, [this] { watch_resolv_conf(); })));
    watch_later_->arm(kWatchDelay);
    return {};
}

// A host whose files cannot be watched (its limit of inotify instances) keeps the resolvers of now.
void BuiltinNetwork::watch_resolv_conf() {
    auto watch = sys::FileWatch::open(kResolvConf);
    if (watch) {
        resolv_conf_ = std::move(*watch);
    }
    const Result<void> added =
        watch ? loop_->add(resolv_conf_->fd(), EPOLLIN,
                           [this](std::uint32_t /*events*/) { on_resolv_conf(); })
              : fail(watch.error());
    if (!added) {
        resolv_conf_.reset();
        log_.warn("builtin network: changes of {} will not be seen: {}", kResolvConf,
                  added.error().message);
        return;
    }
    on_resolv_conf();  // what has changed meanwhile
}

void BuiltinNetwork::on_resolv_conf() {
    resolv_conf_->take();
    std::vector<model::IpAddress> resolvers = host_resolvers();
    if (resolvers == resolvers_) {
        return;
    }
    resolvers_ = std::move(resolvers);
    log_.debug("builtin network: {}", gateway::resolvers_message(resolvers_));
    if (!relay_.tell) {
        return;
    }
    if (const auto told = relay_.tell(gateway::resolvers_message(resolvers_)); !told) {
        log_.warn("builtin network: the relay was not told of new resolvers: {}",
                  told.error().message);
    }
}

// Without a relay the rules are there for the next one, which starts with them.
Result<void> BuiltinNetwork::push(const std::vector<model::EgressRule>& rules) const {
    if (!relay_.tell) {
        return {};
    }
    Result<void> done = relay_.tell(wire::encode(wire::SetEgress{rules}));
    if (!done && done.error().code == ETIMEDOUT) {
        relay_.replace();  // it would obey when it wakes up, and allow what we say is denied
    }
    return done;
}

Result<std::vector<model::EgressHits>> BuiltinNetwork::hits() const {
    return TRY(report()).egress;
}

Result<wire::GatewayReport> BuiltinNetwork::report() const {
    if (!relay_.report) {
        return fail("the relay does not run");
    }
    return wire::decode_gateway_report(TRY(relay_.report()));
}

std::string_view BuiltinNetwork::lacks() const {
    switch (builder_ ? builder_->needed() : gateway::Needs::kNothingSpecial) {
        case gateway::Needs::kVeth:
            return doctor::kFeatureVeth;
        case gateway::Needs::kTproxy:
            return doctor::kFeatureTproxy;
        case gateway::Needs::kNothingSpecial:
            break;
    }
    return "";
}

gateway::RelayPlan BuiltinNetwork::relay_plan() const {
    return {.plan = plan_,
            .loopback = options_.disable_host_loopback ? gateway::HostLoopback::kForbidden
                                                       : gateway::HostLoopback::kReachable,
            .resolvers = resolvers_,
            .egress = egress_.rules(),
            .ledger = &*ledger_};
}

model::NetworkInfo BuiltinNetwork::info() const {
    model::NetworkInfo info;
    info.driver =
        options_.network == model::NetworkDriver::kBuiltin ? "builtin" : "gvisor-tap-vsock";
    info.dns = {plan_.v4.dns.text()};
    if (plan_.v6) {
        info.dns.push_back(plan_.v6->dns.text());
    }
    info.child_ip = plan_.v4.address.text();
    info.ipv6 = plan_.v6.has_value();
    info.extra["mode"] = gateway::name_of(sockets_.mode);
    return info;
}

model::HelperHealth BuiltinNetwork::health() const {
    return {};
}

}  // namespace rk::drivers
