// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/gateway_stats.h"

#include <atomic>
#include <cstdint>
#include <span>

namespace rk::gateway {

/// What one worker counts; written by it alone, read by whoever sums.
class Count {
 public:
    void add(std::uint64_t amount = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<std::uint64_t> value_{0};
};

/// On cache lines of its own.
struct alignas(64) Counters {
    Count held_syns;  // now
    Count tcp_opened;
    Count tcp_refused;
    Count tcp_unreachable;
    Count tcp_timed_out;
    Count syn_dropped;
    Count udp_flows;  // now
    Count udp_opened;
    Count udp_dropped;
    Count dns_udp;
    Count dns_tcp;
    Count dns_failed;
    Count echo_sent;
    Count echo_answered;
    Count echo_lost;
    Count denied;
    Count bytes_out;
    Count bytes_in;
};

/// All workers together.
[[nodiscard]] model::GatewayStats sum_of(std::span<const Counters> counters);

}  // namespace rk::gateway
