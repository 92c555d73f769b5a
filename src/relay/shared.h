// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "relay/counters.h"
#include "relay/limits.h"
#include "relay/mailbox.h"
#include "relay/relay.h"
#include "relay/socket_source.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rk::relay {

/// A number of things that all workers together may have.
class Budget {
 public:
    explicit Budget(std::size_t limit, std::size_t used = 0) : limit_(limit), used_(used) {}
    [[nodiscard]] bool take(std::size_t amount) {
        if (used_.fetch_add(amount, std::memory_order_relaxed) + amount <= limit_) {
            return true;
        }
        give(amount);
        return false;
    }
    /// For what is there already, whatever the limit says.
    void charge(std::size_t amount) { used_.fetch_add(amount, std::memory_order_relaxed); }
    void give(std::size_t amount) { used_.fetch_sub(amount, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t limit() const { return limit_; }
    /// Only before the workers start.
    void set_limit(std::size_t limit) { limit_ = limit; }

 private:
    std::size_t limit_;
    std::atomic<std::size_t> used_;
};

/// What the workers share. Everything in here is atomic, locked, or fixed before they start.
struct Shared {
    Shared(const RelayLimits& wanted, unsigned worker_count, std::size_t fd_limit);

    RelayLimits limits;
    unsigned workers;
    Budget fds;
    Budget connections;
    Budget pipes;
    Budget flows;                                                // beyond each worker's own share
    std::size_t own_flows = 0;                                   // a worker may always have these
    std::array<std::atomic<std::uint32_t>, kMaxWorkers> load{};  // connections of each worker
    std::array<std::atomic<std::uint32_t>, kMaxWorkers> flow_count{};
    std::atomic<std::int64_t> starved_logged_ms{-kStarvedLogMs};
    std::vector<std::unique_ptr<Mailbox>> mailboxes;
    SocketSources sources;  // `child` is always there

    /// For the parent's log; kept short and rare by the caller.
    void log(LogLevel level, std::string text) {
        mailboxes.front()->post(LogCommand{static_cast<std::uint8_t>(level), std::move(text)});
    }
};

/// Milliseconds of the monotonic clock.
[[nodiscard]] std::int64_t now_ms();

}  // namespace rk::relay
