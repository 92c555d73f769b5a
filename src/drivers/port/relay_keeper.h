// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// One relay process serves everybody who needs one: the builtin port driver, and the builtin
// network. The keeper starts it, notices its death, starts it again and lets each user give the
// fresh one what it needs (Restore), in the order in which they came. Nobody else starts or ends
// it.
//
// It starts when somebody needs it first. A relay that dies from what one client does comes back at
// once; one that cannot live does not eat the machine: it is only restarted so many times a minute;
// past that it waits for the next one who needs it or, with keep_running(), for a timer of the
// loop.
//
// Without a loop the relay's death is noticed at the next call. Calls come from one loop and never
// overlap.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/port/relay_link.h"
#include "loop/event_loop.h"
#include "loop/timer.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace rk::drivers {

/// How often a relay may die.
struct RelayPace {
    std::size_t restarts_per_minute = 10;
    /// After that, one that is to run whether anybody asks or not is tried again so much later.
    std::chrono::milliseconds retry_delay{5000};
};

class RelayKeeper {
 public:
    /// Gives a relay that was just started everything of one user. An error only counts where the
    /// relay is gone; others are the user's to report. Must not call the keeper.
    using Restore = std::function<Result<void>(RelayLink& relay)>;

    /// The logger must outlive the keeper.
    RelayKeeper(RelayStarter start, const Logger& log, RelayPace pace = {})
        : start_(std::move(start)), log_(log), pace_(pace) {}
    RelayKeeper(const RelayKeeper&) = delete;
    RelayKeeper& operator=(const RelayKeeper&) = delete;
    RelayKeeper(RelayKeeper&&) = delete;
    RelayKeeper& operator=(RelayKeeper&&) = delete;
    /// Ends the relay.
    ~RelayKeeper();

    /// `user` is only a name. A relay that runs already is not given anything.
    void add_user(const void* user, Restore restore);
    void remove_user(const void* user);

    /// Lets `loop` watch the relay from now on: its log lines and its death. The loop must outlive
    /// the keeper, or detach() be called before. May be called again with the same loop.
    void attach(loop::EventLoop& loop);
    void detach();

    /// Starts the relay where it does not run. Error: "start the port relay: why".
    [[nodiscard]] Result<void> need();
    /// The same, and from now on it is to run whether anybody asks or not.
    [[nodiscard]] Result<void> keep_running();

    /// Calls `work` with a relay that runs; once more where it turns out to be dead.
    [[nodiscard]] Result<void> with_relay(const std::function<Result<void>(RelayLink&)>& work);
    /// Null where none runs.
    [[nodiscard]] RelayLink* relay() { return relay_.get(); }
    /// It is of no use any more: ends it, and starts another unless that happened too often.
    void replace();

    /// What the relay counts; zeroes where none runs and none is to.
    [[nodiscard]] Result<RelayStats> stats();

 private:
    [[nodiscard]] Result<void> start();
    [[nodiscard]] bool may_restart();
    void try_later();
    void drop();
    void watch();
    void on_channel();
    void on_timer();

    RelayStarter start_;
    const Logger& log_;
    RelayPace pace_;
    std::vector<std::pair<const void*, Restore>> users_;
    loop::EventLoop* loop_ = nullptr;
    std::optional<loop::Timer> timer_;
    std::unique_ptr<RelayLink> relay_;
    bool keep_running_ = false;
    std::uint64_t restarts_ = 0;
    std::deque<std::chrono::steady_clock::time_point> recent_restarts_;
};

}  // namespace rk::drivers
