// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// slirp4netns(1) carries the packets of a tap interface in the namespace to sockets of the host by
// a TCP/IP stack in user space. It runs as the user, in the host's network namespace; for a moment
// it enters the child's to open the interface. The interface is made by us before, persistent, so
// that it survives a slirp4netns that dies.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/helper_driver.h"
#include "drivers/network/slirp4netns_command.h"
#include "model/options.h"
#include "sys/environment.h"

#include <memory>

namespace rk::drivers {

class Slirp4netns final : public HelperDriver {
 public:
    /// Finds the program in PATH and starts to probe it. Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;

 private:
    Slirp4netns(const model::Options& options, const Logger& log, Program program);
    [[nodiscard]] Result<Slirp4netnsFeatures> features(const sys::Interrupt* interrupt);

    const model::Options& options_;
};

}  // namespace rk::drivers
