// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "doctor/diagnosis.h"
#include "drivers/network/network_driver.h"
#include "launch/services.h"
#include "launch/spawn_child.h"
#include "launch/state_dir.h"
#include "launch/step_timer.h"
#include "loop/event_loop.h"
#include "model/options.h"
#include "ns/id_map_writer.h"
#include "ns/user_identity.h"
#include "sys/environment.h"
#include "sys/signals.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

/// What the parent starts from. All signals are blocked by now.
struct ParentInput {
    model::Options options;
    std::vector<std::string> argv;  // as given; the child gets the same
    sys::Environment environment;
    std::string version;            // of this program
    std::uint64_t signal_mask = 0;  // the caller's
    bool sigchld_ignored = false;   // by the caller
};

/// How a run ended.
struct ParentOutcome {
    int exit_code = 1;
    std::string fatal;                           // message for the error line; "" = none
    std::optional<doctor::Diagnosis> diagnosis;  // to print after it
    int interrupted_by = 0;  // the signal that ended the set-up: die from it; 0 = none
};

/// The process the user started: makes the state directory and the child, maps the IDs, lets the
/// child set its namespaces up, then supervises. Whatever happens, nothing of it is left behind.
class Parent {
 public:
    Parent(ParentInput input, const Logger& log);

    [[nodiscard]] ParentOutcome run();

 private:
    [[nodiscard]] Result<int> launch();
    [[nodiscard]] Result<std::unique_ptr<drivers::NetworkDriver>> make_network_driver();
    [[nodiscard]] Result<ns::IdMaps> compute_maps();
    [[nodiscard]] Result<StateDir> open_state_dir() const;
    [[nodiscard]] Result<ChildProcess> start_child(const StateDir& state_dir);
    [[nodiscard]] Result<void> map_ids(const ChildProcess& child, const ns::IdMaps& maps);
    [[nodiscard]] Result<void> release_child(const ChildProcess& child) const;
    [[nodiscard]] Result<void> start_network(drivers::NetworkDriver* network,
                                             const StateDir& state_dir, const ChildProcess& child);
    [[nodiscard]] Result<void> finish_network(drivers::NetworkDriver* network,
                                              loop::EventLoop& loop);
    [[nodiscard]] Error network_failed(Error why);
    [[nodiscard]] doctor::Failure network_failure(const Error& why) const;
    [[nodiscard]] Result<Services> start_services(const StateDir& state_dir,
                                                  const ChildProcess& child,
                                                  drivers::NetworkDriver* network);
    [[nodiscard]] Result<int> supervise(ChildProcess& child, loop::EventLoop& loop);

    template <typename T>
    [[nodiscard]] Result<void> wait_for(ChildProcess& child);
    [[nodiscard]] Result<void> check_interruption();
    [[nodiscard]] Error interruption() const;
    [[nodiscard]] Error child_ended(const sys::ExitStatus& status);
    [[nodiscard]] Error child_failed(ChildProcess& child, const wire::SetUpFailed& failure);
    void explain(doctor::Failure failure);

    ParentInput input_;
    const model::Options& options_;
    const Logger& log_;
    StepTimer timer_;
    std::optional<sys::SignalFd> signals_;
    std::optional<ns::UserIdentity> user_;
    ns::IdMaps maps_;
    std::string network_lacks_;  // the part of the kernel that the builtin network did not find
    bool running_ = false;       // the set-up is over
    ParentOutcome outcome_;
};

}  // namespace rk::launch
