// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The builtin network needs no program but this one: a router in a network namespace of its own
// (src/gateway/), whose connections the relay carries on. This driver has the router made while the
// child sets itself up, holds its descriptors for the network's whole life, so that a relay that
// dies is replaced by one that finds everything as it was, and keeps the relay's list of resolvers
// up to date. The relay itself is run by launch/, which also publishes ports by it.
//
// gvisor-tap-vsock is the same network with that driver's addresses.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/egress_control.h"
#include "drivers/network/network_driver.h"
#include "gateway/builder.h"
#include "gateway/ledger.h"
#include "gateway/relay_parts.h"
#include "loop/timer.h"
#include "model/options.h"
#include "sys/environment.h"
#include "sys/file_watch.h"
#include "wire/gateway_channel.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

/// How the driver reaches the relay that runs now; each call is bounded in time.
struct RelayAccess {
    std::function<Result<void>(const std::string& text)> tell;
    std::function<Result<std::string>()> report;  // what the gateway within the relay tells
    std::function<void()> replace;                // by one that starts with what holds now
};

class BuiltinNetwork final : public NetworkDriver {
 public:
    /// Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    ~BuiltinNetwork() override;

    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop) override;
    [[nodiscard]] const BuiltinNetwork* builtin() const override { return this; }
    [[nodiscard]] BuiltinNetwork* builtin() override { return this; }
    [[nodiscard]] model::NetworkInfo info() const override;
    [[nodiscard]] model::HelperHealth health() const override;

    /// After wait_ready(): what the relay is made of, as it stands now.
    [[nodiscard]] const gateway::Sockets& sockets() const { return sockets_; }
    [[nodiscard]] gateway::RelayPlan relay_plan() const;
    /// After a wait_ready() that failed: the part of the kernel that is missing, as doctor/ names
    /// it; "" where it is something else.
    [[nodiscard]] std::string_view lacks() const;
    /// From now on changes are told to the relay.
    void use_relay(RelayAccess access) { relay_ = std::move(access); }

    /// The egress policy; changes reach the relay at once.
    [[nodiscard]] EgressControl& egress() { return egress_; }

 private:
    BuiltinNetwork(const model::Options& options, gateway::Plan plan, gateway::SharedLedger ledger,
                   const Logger& log);
    [[nodiscard]] Result<void> push(const std::vector<model::EgressRule>& rules) const;
    [[nodiscard]] Result<std::vector<model::EgressHits>> hits() const;
    [[nodiscard]] Result<wire::GatewayReport> report() const;
    void watch_resolv_conf();
    void on_resolv_conf();

    const model::Options& options_;
    const Logger& log_;
    gateway::Plan plan_;
    gateway::SharedLedger ledger_;  // every relay counts there
    std::optional<gateway::Builder> builder_;
    gateway::Sockets sockets_;
    RelayAccess relay_;
    EgressRules egress_;
    std::vector<model::IpAddress> resolvers_;
    std::optional<sys::FileWatch> resolv_conf_;
    loop::EventLoop* loop_ = nullptr;
    std::optional<loop::Timer> watch_later_;
};

}  // namespace rk::drivers
