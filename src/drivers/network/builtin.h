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
#include "drivers/network/network_driver.h"
#include "gateway/builder.h"
#include "gateway/relay_parts.h"
#include "model/options.h"
#include "sys/environment.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

class BuiltinNetwork final : public NetworkDriver {
 public:
    /// Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop) override;
    [[nodiscard]] const BuiltinNetwork* builtin() const override { return this; }
    [[nodiscard]] NetworkDriverInfo info() const override;
    [[nodiscard]] NetworkHealth health() const override;

    /// After wait_ready(): what the relay is made of.
    [[nodiscard]] const gateway::Sockets& sockets() const { return sockets_; }
    [[nodiscard]] gateway::RelayPlan relay_plan() const;

 private:
    BuiltinNetwork(const model::Options& options, const Logger& log);

    const model::Options& options_;
    const Logger& log_;
    gateway::Plan plan_;
    std::optional<gateway::Builder> builder_;
    gateway::Sockets sockets_;
};

}  // namespace rk::drivers
