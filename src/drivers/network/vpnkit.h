// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// vpnkit is a TCP/IP stack in user space that carries the frames of an interface to sockets of the
// host. Two processes serve the network: vpnkit itself, in the host's network namespace, and the
// relay between its socket and the tap (vpnkit_relay.h). Each has its supervisor. A vpnkit that
// dies ends the relay's connection and so the relay; the next relay waits for the next vpnkit. The
// interface is persistent and keeps what the child has set up.
//
// The addresses are vpnkit's own (192.168.65.0/24); only the namespace's is asked for, anew by
// every relay. Where it is another one than before, the interface gets it.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/helper_supervisor.h"
#include "drivers/network/network_driver.h"
#include "model/options.h"
#include "ns/target_namespaces.h"
#include "sys/environment.h"

#include <memory>
#include <optional>
#include <string>

namespace rk::drivers {

class Vpnkit final : public NetworkDriver {
 public:
    /// Finds the program in PATH. Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    /// Returns once packets are carried: only then is the address known.
    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop) override;
    void when_health_changes(const HealthListener& listener) override;
    [[nodiscard]] model::NetworkInfo info() const override;
    [[nodiscard]] model::HelperHealth health() const override;

 private:
    Vpnkit(const model::Options& options, const Logger& log, HelperPlan plan);
    [[nodiscard]] HelperPlan relay_plan(const std::string& socket_path, const std::string& uuid);
    [[nodiscard]] Result<void> start_processes(const NetworkTarget& target);
    void on_health();
    void take_address(const model::IpAddress& address);

    const model::Options& options_;
    const Logger& log_;
    HelperPlan plan_;
    std::optional<ns::TargetNamespaces> target_;
    model::NetworkSetup setup_;
    HelperSupervisor vpnkit_;
    HelperSupervisor relay_;  // ended before vpnkit
    HealthListener listener_;
};

}  // namespace rk::drivers
