// SPDX-License-Identifier: Apache-2.0
#include "launch/command.h"

#include "base/text.h"
#include "sys/spawn.h"

namespace rk::launch {

Result<pid_t> start_command(const CommandPlan& plan) {
    sys::SpawnPlan spawn;
    spawn.path = plan.argv.front();
    if (spawn.path.find('/') == std::string::npos) {
        spawn.path =
            TRY(sys::look_up_program(spawn.path, plan.environment.get("PATH").value_or("")));
    }
    spawn.argv = plan.argv;
    spawn.environment = plan.environment;
    spawn.signal_mask = plan.signal_mask;
    spawn.ignore_sigchld = plan.sigchld_ignored;
    spawn.own_session = plan.own_session;
    spawn.pid_variable = plan.activated ? "LISTEN_PID" : "";
    return sys::spawn(spawn);
}

std::string command_ended_text(const std::vector<std::string>& argv, std::string_view why) {
    return fmt::format("command [{}] exited: {}", join(argv, " "), why);
}

}  // namespace rk::launch
