// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/helper_supervisor.h"
#include "drivers/network/network_driver.h"
#include "model/network_setup.h"
#include "sys/environment.h"
#include "sys/run_program.h"

#include <string>
#include <string_view>
#include <vector>

namespace rk::drivers {

/// What the API tells of a network that is as `setup` says.
[[nodiscard]] model::NetworkInfo network_info(std::string_view driver,
                                              const model::NetworkSetup& setup);

/// What drivers have in common whose network is one supervised helper program: it is asked for its
/// --help while the child is being made, which costs no time of its own, and started once the
/// child's namespaces exist.
class HelperDriver : public NetworkDriver {
 public:
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* interrupt) override;
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop) override;
    void when_health_changes(const HealthListener& listener) override;
    [[nodiscard]] model::NetworkInfo info() const override;
    [[nodiscard]] model::HelperHealth health() const override;

 protected:
    /// A program that was found and is being asked for its --help.
    struct Program {
        HelperPlan plan;  // but for the arguments
        sys::RunningProgram help;
    };
    /// `binary` as the user wrote it. Error: `exec: "NAME": executable file not found in $PATH` or
    /// "fork/exec PATH: why".
    [[nodiscard]] static Result<Program> find(std::string_view driver, const std::string& binary,
                                              const sys::Environment& environment);

    HelperDriver(Program program, model::NetworkSetup setup, const Logger& log);

    /// Its --help, once. Error, with code EINTR: interrupted.
    [[nodiscard]] Result<sys::ProgramOutcome> help(const sys::Interrupt* interrupt);
    /// `command "PATH --help" failed`, the advice, how it ended and what it printed.
    [[nodiscard]] tl::unexpected<Error> help_failed(const sys::ProgramOutcome& outcome,
                                                    std::string_view advice) const;
    struct Launch {
        std::vector<std::string> arguments;  // with argument 0
        std::string ready_fifo{};            // as in HelperPlan
    };
    /// Starts the helper, once; in a detached namespace it is ready then.
    [[nodiscard]] Result<model::NetworkSetup> launch(Launch how, const NetworkTarget& target,
                                                     const sys::Interrupt* interrupt);
    [[nodiscard]] const model::NetworkSetup& setup() const { return setup_; }

 private:
    HelperPlan plan_;
    std::string name_;
    std::string path_;
    sys::RunningProgram help_;
    model::NetworkSetup setup_;
    HelperSupervisor helper_;
};

}  // namespace rk::drivers
