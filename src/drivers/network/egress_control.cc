// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/egress_control.h"

#include <algorithm>
#include <utility>

namespace rk::drivers {

std::string_view egress_source_text(EgressSource source) {
    return source == EgressSource::kFlag ? "flag" : "api";
}

EgressRules::EgressRules(const std::vector<model::EgressRule>& flags, EgressRelay relay)
    : relay_(std::move(relay)) {
    for (model::EgressRule rule : flags) {
        rule.id = ++last_id_;
        statuses_.push_back({rule, EgressSource::kFlag, 0});
    }
}

std::vector<model::EgressRule> EgressRules::rules_of(const std::vector<EgressStatus>& statuses) {
    std::vector<model::EgressRule> rules;
    rules.reserve(statuses.size());
    for (const EgressStatus& status : statuses) {
        rules.push_back(status.rule);
    }
    return rules;
}

std::vector<model::EgressRule> EgressRules::rules() const {
    return rules_of(statuses_);
}

Result<std::vector<EgressStatus>> EgressRules::list() {
    std::vector<EgressStatus> statuses = statuses_;
    for (const model::EgressHits& one : TRY(relay_.hits())) {
        for (EgressStatus& status : statuses) {
            if (status.rule.id == one.id) {
                status.hits = one.hits;
            }
        }
    }
    return statuses;
}

Result<EgressStatus> EgressRules::add(const model::EgressRule& rule) {
    if (statuses_.size() >= model::kMaxEgressRules) {
        return fail("there are {} egress rules already, the most there can be",
                    model::kMaxEgressRules);
    }
    for (const EgressStatus& status : statuses_) {
        if (status.rule.same_as(rule)) {
            return fail("egress rule {} {}: conflict with ID {}",
                        model::egress_action_text(rule.action), rule.text(), status.rule.id);
        }
    }
    EgressStatus added{rule, EgressSource::kApi, 0};
    added.rule.id = ++last_id_;
    std::vector<EgressStatus> next = statuses_;
    next.push_back(added);
    TRY(relay_.push(rules_of(next)));
    statuses_ = std::move(next);
    return added;
}

Result<void> EgressRules::remove(std::uint32_t id) {
    std::vector<EgressStatus> next = statuses_;
    const auto gone = std::remove_if(next.begin(), next.end(),
                                     [id](const EgressStatus& s) { return s.rule.id == id; });
    if (gone == next.end()) {
        return fail("unknown id: {}", id);
    }
    next.erase(gone, next.end());
    TRY(relay_.push(rules_of(next)));
    statuses_ = std::move(next);
    return {};
}

Result<void> EgressRules::resend() const {
    return relay_.push(rules());
}

}  // namespace rk::drivers
