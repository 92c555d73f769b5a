// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/port_status.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace rk::relay {

/// A number written by one thread and read by others: no locked instruction.
class Counter {
 public:
    void add(std::uint64_t amount) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
    std::atomic<std::uint64_t> value_{0};
};

/// What one worker counts for one published ID; on cache lines of its own.
struct alignas(64) Counters {
    Counter accepted;
    Counter closed;
    Counter refused;
    Counter errors;
    Counter bytes_in;
    Counter bytes_out;
    Counter dropped;
};

/// The counters of one published ID, one set a worker, summed only when somebody asks.
class PortTotals {
 public:
    PortTotals(std::uint32_t id, unsigned workers) : id_(id), sets_(workers) {}
    [[nodiscard]] Counters& of(unsigned worker) { return sets_.at(worker); }

    [[nodiscard]] model::PortCounters sum() const {
        model::PortCounters total{.id = static_cast<int>(id_)};
        std::uint64_t closed = 0;
        for (const Counters& set : sets_) {
            closed += set.closed.get();  // before accepted, so that active never turns negative
            total.accepted += set.accepted.get();
            total.refused += set.refused.get();
            total.errors += set.errors.get();
            total.bytes_in += set.bytes_in.get();
            total.bytes_out += set.bytes_out.get();
            total.dropped += set.dropped.get();
        }
        total.active = total.accepted > closed ? total.accepted - closed : 0;
        return total;
    }

 private:
    std::uint32_t id_;
    std::vector<Counters> sets_;
};

}  // namespace rk::relay
