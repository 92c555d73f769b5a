// SPDX-License-Identifier: Apache-2.0
#include "gateway/egress_gate.h"

#include <algorithm>
#include <map>
#include <set>

namespace rk::gateway {

std::shared_ptr<const EgressGate::Set> EgressGate::current() const {
    const std::lock_guard lock(mutex_);
    return set_;
}

// There are always enough: twice as many as rules.
std::vector<EgressCount*> EgressGate::places_for(std::span<const model::EgressRule> rules,
                                                 const Set& before) {
    std::map<std::uint32_t, EgressCount*> by_id;
    for (EgressCount& count : counts_) {
        by_id.emplace(count.id.load(std::memory_order_relaxed), &count);
    }
    std::set<const EgressCount*> taken(before.counts.begin(), before.counts.end());
    for (const model::EgressRule& rule : rules) {
        if (const auto found = by_id.find(rule.id); found != by_id.end()) {
            taken.insert(found->second);
        }
    }
    std::vector<EgressCount*> places;
    auto next = counts_.begin();
    for (const model::EgressRule& rule : rules) {
        if (const auto found = by_id.find(rule.id); found != by_id.end()) {
            places.push_back(found->second);
            continue;
        }
        next = std::find_if(next, counts_.end(),
                            [&](const EgressCount& one) { return taken.count(&one) == 0; });
        next->hits.store(0, std::memory_order_relaxed);
        next->id.store(rule.id, std::memory_order_relaxed);
        places.push_back(&*next++);
    }
    for (EgressCount* const left : before.counts) {
        if (std::find(places.begin(), places.end(), left) == places.end()) {
            left->id.store(0, std::memory_order_relaxed);
        }
    }
    return places;
}

void EgressGate::set(std::span<const model::EgressRule> rules) {
    rules = rules.first(std::min(rules.size(), model::kMaxEgressRules));
    auto next = std::make_shared<Set>();
    next->policy = model::EgressPolicy(rules);
    next->counts = places_for(rules, *current());
    const std::lock_guard lock(mutex_);
    set_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
}

std::vector<model::EgressHits> EgressGate::hits() const {
    std::vector<model::EgressHits> all;
    for (const EgressCount* const count : current()->counts) {
        all.push_back({count->id.load(std::memory_order_relaxed),
                       count->hits.load(std::memory_order_relaxed)});
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
        set_->counts[*decision.rule]->hits.fetch_add(1, std::memory_order_relaxed);
    }
    return decision.action;
}

}  // namespace rk::gateway
