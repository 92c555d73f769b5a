// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "loop/event_loop.h"
#include "sys/clock.h"
#include "sys/memory.h"

#include <chrono>
#include <optional>

namespace rk::launch {

/// Runs the loop until `done()`. A process that is still there after a second will mostly sleep for
/// the rest of its life, and gives back what its start needed; a short command is not delayed by
/// it.
template <typename Predicate>
[[nodiscard]] Result<void> run_until(loop::EventLoop& loop, Predicate done) {
    std::optional<sys::Deadline> settled = sys::Deadline::after(std::chrono::seconds(1));
    while (!done()) {
        const bool active = TRY(loop.run_once(settled));
        if (!active) {
            sys::release_start_up_memory();
            settled.reset();
        }
    }
    return {};
}

}  // namespace rk::launch
