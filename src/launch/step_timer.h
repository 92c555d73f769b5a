// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"

#include <chrono>
#include <string_view>
#include <utility>

namespace rk::launch {

/// Writes how long each step of the set-up took to the debug log.
class StepTimer {
 public:
    explicit StepTimer(const Logger& log) : log_(log) {}

    /// Call as step("name", work()): the argument has been evaluated by then, so the time since the
    /// last step is this step's.
    template <typename T>
    [[nodiscard]] T step(std::string_view name, T&& result) const {
        const auto now = Clock::now();
        log_.debug("step {}: {} us", name,
                   std::chrono::duration_cast<std::chrono::microseconds>(now - last_).count());
        last_ = now;
        return std::forward<T>(result);
    }

 private:
    using Clock = std::chrono::steady_clock;
    const Logger& log_;
    mutable Clock::time_point last_ = Clock::now();
};

}  // namespace rk::launch
