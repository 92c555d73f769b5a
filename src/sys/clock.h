// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace rk::sys {

/// A point in time after which waiting is an error. All waits of the set-up are bounded by one.
class Deadline {
 public:
    using Clock = std::chrono::steady_clock;

    [[nodiscard]] static Deadline after(std::chrono::milliseconds span) {
        return Deadline(Clock::now() + span);
    }
    /// Milliseconds left for poll(2), rounded up; 0 once it has passed.
    [[nodiscard]] int poll_timeout() const {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(when_ - Clock::now()).count();
        return left > 0 ? static_cast<int>(left) : 0;
    }
    [[nodiscard]] bool passed() const { return Clock::now() >= when_; }

 private:
    explicit Deadline(Clock::time_point when) : when_(when) {}
    Clock::time_point when_;
};

}  // namespace rk::sys
