// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
//             start()             wait_ready()
//   (nothing) --------> kStarting ------------> kRunning
//                        ^     |                    |
//              back-off  |     | dies, not ready    | dies
//              is over   |     v in time            |
//                       kWaiting <------------------+
//
// Once attached to a loop, the end of the helper is seen at once by its pidfd (or, without pidfd,
// by the end of its output), said in the log, and the same program started again with the same
// arguments. The interface is persistent, so a new helper carries on where the old one was; what is
// lost are the connections. The first restart comes after a tenth of a second, each further one
// after twice the time, up to a limit, until a helper has lived for a while.
//
// Before attach() nothing is restarted: at the start a dead helper is an error.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/helper_process.h"
#include "drivers/network/network_driver.h"
#include "loop/event_loop.h"
#include "loop/timer.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace rk::drivers {

/// Keeps one helper program running.
class HelperSupervisor {
 public:
    /// `ready_time`: how long a helper may take until it is ready.
    HelperSupervisor(std::chrono::milliseconds ready_time, const Logger& log)
        : ready_time_(ready_time), log_(log) {}
    HelperSupervisor(const HelperSupervisor&) = delete;
    HelperSupervisor& operator=(const HelperSupervisor&) = delete;
    HelperSupervisor(HelperSupervisor&&) = delete;
    HelperSupervisor& operator=(HelperSupervisor&&) = delete;
    ~HelperSupervisor();

    [[nodiscard]] Result<void> start(HelperPlan plan);
    /// Also a second time.
    [[nodiscard]] Result<void> wait_ready(const sys::Interrupt* interrupt);
    /// The loop must outlive this object.
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop);
    void when_health_changes(HealthListener listener) { listener_ = std::move(listener); }
    [[nodiscard]] model::HelperHealth health() const;
    /// What the present helper told when it got ready; "" where there is none.
    [[nodiscard]] std::string ready_word() const { return helper_ ? helper_->ready_word() : ""; }
    /// Its pidfd, -1 where there is none.
    [[nodiscard]] sys::FdRef exited_fd() const {
        return helper_ ? helper_->exited_fd() : sys::FdRef(-1);
    }
    /// Error: it has ended, and how. Before attach().
    [[nodiscard]] Result<void> check_alive();

 private:
    enum class State { kStarting, kRunning, kWaiting };

    [[nodiscard]] Result<void> watch();
    void unwatch();
    void on_output();
    void on_ready();
    void on_end();
    void on_timer();
    void note_ready();
    void restart();
    void back_off(std::string_view what_happened);
    void tell_listener() const;

    std::chrono::milliseconds ready_time_;
    const Logger& log_;
    HelperPlan plan_;
    State state_ = State::kStarting;
    std::optional<HelperProcess> helper_;
    std::chrono::steady_clock::time_point started_;
    std::chrono::milliseconds next_delay_{0};
    std::uint64_t restarts_ = 0;
    loop::EventLoop* loop_ = nullptr;
    std::optional<loop::Timer> timer_;
    HealthListener listener_;
};

}  // namespace rk::drivers
