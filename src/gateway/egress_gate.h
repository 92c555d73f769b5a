// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The egress rules of one relay. The first worker replaces them when the parent says so; every
// worker decides by them, through an EgressView of its own, and counts. A view keeps the set it
// used last and looks at one number to see that there is no newer one, so that a decision takes no
// lock while the rules stay as they are.
//
// Counters belong to a rule's id, not to a set: rules that stay keep counting where they were, also
// when a worker still decides by the set before.
#pragma once

#include "gateway/ledger.h"
#include "model/egress_policy.h"
#include "model/egress_rule.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace rk::gateway {

/// Shared by the workers; thread-safe.
class EgressGate {
 public:
    /// What is counted goes there; rules with the ids of earlier ones go on with their counts.
    explicit EgressGate(EgressCounts& counts) : counts_(counts) {}

    /// These are the rules from now on. New flows are held against them, existing ones stay.
    void set(std::span<const model::EgressRule> rules);
    /// What was counted for the rules of now.
    [[nodiscard]] std::vector<model::EgressHits> hits() const;

 private:
    friend class EgressView;

    struct Set {
        model::EgressPolicy policy;
        std::vector<EgressCount*> counts;  // as the rules were given
    };
    [[nodiscard]] std::shared_ptr<const Set> current() const;
    [[nodiscard]] std::vector<EgressCount*> places_for(std::span<const model::EgressRule> rules,
                                                       const Set& before);

    EgressCounts& counts_;

    std::atomic<std::uint64_t> generation_{0};
    mutable std::mutex mutex_;
    std::shared_ptr<const Set> set_ = std::make_shared<const Set>();
};

/// One worker's way to decide. The gate outlives it.
class EgressView {
 public:
    explicit EgressView(const EgressGate& gate) : gate_(gate) {}

    /// Whether a new flow may be made, and counts for the rule that says so. `asked` is what the
    /// namespace named, `real` what it stands for.
    [[nodiscard]] model::EgressAction decide(model::EgressProtocol protocol,
                                             const model::Endpoint& asked,
                                             const model::Endpoint& real);

 private:
    const EgressGate& gate_;
    std::uint64_t generation_ = 0;
    std::shared_ptr<const EgressGate::Set> set_;
};

}  // namespace rk::gateway
