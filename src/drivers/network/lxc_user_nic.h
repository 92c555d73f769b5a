// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// lxc-user-nic(1) is a set-user-ID program that makes a pair of connected interfaces: one end it
// attaches to a bridge of the host, if /etc/lxc/lxc-usernet grants the user one there; the other it
// moves into the network namespace of a process of the user's. Then it ends; the kernel carries the
// packets, and removes both ends with the namespace. The address is what a DHCP server on the
// bridge says (dhcp_keeper.h, in the child).
//
// It wants the PID of a process in the namespace. In a detached one there is none yet, so for the
// moment of the call a process of ours enters it.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/network_driver.h"
#include "model/options.h"
#include "sys/environment.h"

#include <memory>
#include <string>

namespace rk::drivers {

class LxcUserNic final : public NetworkDriver {
 public:
    /// Finds the program. Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* /*interrupt*/) override {
        return {};  // the child has an address by now, and there is nothing else
    }
    [[nodiscard]] Result<void> attach(loop::EventLoop& /*loop*/) override { return {}; }
    [[nodiscard]] model::NetworkInfo info() const override;
    [[nodiscard]] model::HelperHealth health() const override;

 private:
    LxcUserNic(const model::Options& options, std::string path, sys::Environment environment,
               const Logger& log);
    [[nodiscard]] Result<void> connect(pid_t process, const sys::Interrupt* interrupt) const;

    const model::Options& options_;
    std::string path_;  // absolute
    sys::Environment environment_;
    const Logger& log_;
    model::NetworkSetup setup_;
};

}  // namespace rk::drivers
