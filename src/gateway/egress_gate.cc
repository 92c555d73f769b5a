// SPDX-License-Identifier: Apache-2.0
#include "gateway/egress_gate.h"

#include <algorithm>

namespace rk::gateway {

std::shared_ptr<const EgressGate::Set> EgressGate::current() const {
    const std::lock_guard lock(mutex_);
    return set_;
}

void EgressGate::set(std::span<const model::EgressRule> rules) {
    const auto before = current();
    auto next = std::make_shared<Set>();
    next->policy = model::EgressPolicy(rules);
    for (const model::EgressRule& rule : rules) {
        const auto kept =
            std::find_if(before->counters.begin(), before->counters.end(),
                         [&](const std::shared_ptr<Counter>& one) { return one->id == rule.id; });
        if (kept != before->counters.end()) {
            next->counters.push_back(*kept);
            continue;
        }
        next->counters.push_back(std::make_shared<Counter>());
        next->counters.back()->id = rule.id;
    }
    const std::lock_guard lock(mutex_);
    set_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
}

std::vector<model::EgressHits> EgressGate::hits() const {
    std::vector<model::EgressHits> all;
    for (const auto& counter : current()->counters) {
        all.push_back({counter->id, counter->hits.load(std::memory_order_relaxed)});
    }
    return all;
}

model::EgressAction EgressView::decide(model::EgressProtocol protocol, const model::Endpoint& asked,
                                       const model::Endpoint& real) {
    const std::uint64_t newest = gate_.generation_.load(std::memory_order_acquire);
    if (set_ == nullptr || newest != generation_) {
        // A set that comes between the two lines is taken now and looked for again next time.
        generation_ = newest;
        set_ = gate_.current();
    }
    const model::EgressDecision decision = set_->policy.decide(protocol, asked, real);
    if (decision.rule) {
        set_->counters[*decision.rule]->hits.fetch_add(1, std::memory_order_relaxed);
    }
    return decision.action;
}

}  // namespace rk::gateway
