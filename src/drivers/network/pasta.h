// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// pasta(1) of passt carries the packets of a tap interface in the namespace to sockets of the host,
// translating addresses instead of terminating connections. It makes and configures the interface
// by itself: ours only to name it. The interface lives as long as pasta; a new pasta makes it anew,
// with the same name and addresses, on the same namespace.
//
// pasta is meant to fork to the background when it is ready. We keep it in the foreground, where it
// is our child, can be watched by its pidfd and dies with us, and learn that it is ready by what it
// does last before it serves: it writes its PID into the file of --pid. That file is a FIFO in the
// state directory, of which we hold the other end.
//
// Old ones exit with 1 after --help, and print it to stderr. Only the text counts.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/helper_driver.h"
#include "drivers/network/pasta_command.h"
#include "model/options.h"
#include "sys/environment.h"

#include <memory>

namespace rk::drivers {

class Pasta final : public HelperDriver {
 public:
    /// Finds the program in PATH and starts to probe it. Options and logger outlive the driver.
    [[nodiscard]] static Result<std::unique_ptr<NetworkDriver>> create(
        const model::Options& options, const sys::Environment& environment, const Logger& log);

    [[nodiscard]] Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                    const sys::Interrupt* interrupt) override;

 private:
    Pasta(const model::Options& options, const Logger& log, Program program);
    [[nodiscard]] Result<PastaFeatures> features(const sys::Interrupt* interrupt);

    const model::Options& options_;
};

}  // namespace rk::drivers
