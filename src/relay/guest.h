// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/poller.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace rk::relay {

struct Shared;

/// Something else that lives in a worker's loop beside the engines of published ports. It belongs
/// to its worker: every call comes from that worker's thread, but for prepare(). It watches
/// descriptors in the worker's poller under the kinds that poller.h sets aside for guests.
class Guest {
 public:
    Guest() = default;
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    Guest(Guest&&) = delete;
    Guest& operator=(Guest&&) = delete;
    virtual ~Guest() = default;

    /// Registers what it watches. Called once, before any worker runs.
    [[nodiscard]] virtual Result<void> prepare() = 0;
    /// One event of a guest's kind; `now` in milliseconds of now_ms().
    virtual void on_event(Tag tag, std::uint32_t events, std::int64_t now) = 0;
    /// When end_of_batch() is to be called even if nothing happens: -1 never, 0 there is work left.
    [[nodiscard]] virtual std::int64_t next_due() const = 0;
    /// After every batch of events: timers, closing of what ended.
    virtual void end_of_batch(std::int64_t now) = 0;
};

/// Makes the guest of one worker; called once for each, one after the other. `Shared` and the
/// poller outlive the guest.
using GuestMaker =
    std::function<Result<std::unique_ptr<Guest>>(Shared& shared, Poller& poller, unsigned worker)>;

}  // namespace rk::relay
