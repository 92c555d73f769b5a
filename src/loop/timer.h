// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "loop/event_loop.h"
#include "sys/fd.h"

#include <chrono>
#include <functional>

namespace rk::loop {

/// One timer of an EventLoop (timerfd_create(2), monotonic). Calls its handler each time it
/// expires; not armed at first. The loop must outlive it.
class Timer {
 public:
    [[nodiscard]] static Result<Timer> create(EventLoop& loop, std::function<void()> handler);
    Timer(Timer&&) = default;
    Timer& operator=(Timer&&) = delete;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer();

    /// Expires once, after `span` (at least a millisecond); replaces what was armed before.
    void arm(std::chrono::milliseconds span);
    void disarm();

 private:
    Timer(EventLoop& loop, sys::Fd fd) : loop_(&loop), fd_(std::move(fd)) {}

    EventLoop* loop_;
    sys::Fd fd_;
};

}  // namespace rk::loop
