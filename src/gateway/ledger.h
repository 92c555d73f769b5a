// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// What is counted outlives the relay that counts it: it is kept in memory that the parent makes
// once and that every relay process shares with it, so that a relay that dies takes no count with
// it. The relay faces the network, so the parent itself never reads there: the next relay does.
//
// Zeroed pages are a ledger in which nothing has been counted.
#pragma once

#include "base/result.h"
#include "gateway/counters.h"
#include "model/egress_rule.h"
#include "relay/limits.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace rk::gateway {

/// Of one rule; id 0: of none.
struct EgressCount {
    std::atomic<std::uint32_t> id{0};
    std::atomic<std::uint64_t> hits{0};
};

/// Twice as many as there can be rules: a place that a rule has just left may still be counted in,
/// so a change of rules takes places that neither the old nor the new ones have.
using EgressCounts = std::array<EgressCount, 2 * model::kMaxEgressRules>;

struct Ledger {
    std::array<Counters, relay::kMaxWorkers> workers;
    EgressCounts egress;

    /// A new relay has nothing open, and counts the bytes that it carries itself.
    void begin();
};

/// In memory that is shared with processes forked later.
class SharedLedger {
 public:
    [[nodiscard]] static Result<SharedLedger> make();
    [[nodiscard]] Ledger& operator*() const { return *ledger_; }

 private:
    struct Unmap {
        void operator()(Ledger* ledger) const;
    };
    explicit SharedLedger(Ledger* ledger) : ledger_(ledger) {}

    std::unique_ptr<Ledger, Unmap> ledger_;
};

}  // namespace rk::gateway
