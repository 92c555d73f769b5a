// SPDX-License-Identifier: Apache-2.0
//
// What a network driver is, and when it is called:
//
//   make_network_driver()   before anything was created: finds its program, starts to probe it
//   start()                 the child's namespaces exist; says what the child is to set up
//   (the child sets it up)
//   wait_ready()            before ports are published and the command starts
//   attach()                the parent's loop runs from now on: restarts, log lines
//   destructor              ends whatever the driver started
//
// start() and wait_ready() are two calls so that a helper gets going while the child works.
#pragma once

#include "base/result.h"
#include "loop/event_loop.h"
#include "model/network_info.h"
#include "model/network_setup.h"
#include "sys/run_program.h"

#include <functional>
#include <string>

#include <sys/types.h>

namespace rk::drivers {

/// The child whose network it is.
struct NetworkTarget {
    pid_t child = 0;
    /// Where the child has bound its detached network namespace, as a path in the child's mount
    /// namespace; "" = it is the child's own.
    std::string detached_netns;
    /// Of the host; for sockets of the helper.
    std::string state_dir;
};

/// Called from the loop whenever a helper is lost, and when one carries packets again.
using HealthListener = std::function<void(const model::HelperHealth&)>;

class BuiltinNetwork;

/// Connects a network namespace. Driven by the parent only; every call is bounded in time.
class NetworkDriver {
 public:
    NetworkDriver() = default;
    NetworkDriver(const NetworkDriver&) = delete;
    NetworkDriver& operator=(const NetworkDriver&) = delete;
    NetworkDriver(NetworkDriver&&) = delete;
    NetworkDriver& operator=(NetworkDriver&&) = delete;
    virtual ~NetworkDriver() = default;

    /// Starts to connect the network. `interrupt` may end the wait, with the code EINTR.
    [[nodiscard]] virtual Result<model::NetworkSetup> start(const NetworkTarget& target,
                                                            const sys::Interrupt* interrupt) = 0;
    /// Waits until packets are carried. Once, after start().
    [[nodiscard]] virtual Result<void> wait_ready(const sys::Interrupt* interrupt) = 0;
    /// Lets `loop` watch the helper. It must outlive the driver.
    [[nodiscard]] virtual Result<void> attach(loop::EventLoop& loop) = 0;
    /// Whom to tell of changes from now on; for port drivers that live in the helper.
    virtual void when_health_changes(const HealthListener& /*listener*/) {}

    /// Where this is the builtin network: what the relay has to know. Else null.
    [[nodiscard]] virtual const BuiltinNetwork* builtin() const { return nullptr; }
    [[nodiscard]] virtual BuiltinNetwork* builtin() { return nullptr; }

    /// After start().
    [[nodiscard]] virtual model::NetworkInfo info() const = 0;
    [[nodiscard]] virtual model::HelperHealth health() const = 0;
};

}  // namespace rk::drivers
