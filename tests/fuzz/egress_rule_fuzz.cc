// SPDX-License-Identifier: Apache-2.0
// Every line is a rule: what parses is valid, has a text that parses to the same, and a policy of
// all of them decides as a search for the most specific one would.
#include "base/text.h"
#include "model/egress_policy.h"
#include "model/egress_rule.h"

#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

using rk::model::EgressAction;
using rk::model::EgressPolicy;
using rk::model::EgressProtocol;
using rk::model::EgressRule;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// An address of the rule's network must be decided by a rule that is at least as specific.
void check_decision(const EgressPolicy& policy, const std::vector<EgressRule>& rules,
                    const EgressRule& about) {
    const EgressProtocol protocol =
        about.protocol == EgressProtocol::kAny ? EgressProtocol::kTcp : about.protocol;
    const auto decision = policy.decide(protocol, {about.network, about.first_port});
    require(decision.rule.has_value() && *decision.rule < rules.size());
    const EgressRule& winner = rules[*decision.rule];
    require(winner.network.is_v4() == about.network.is_v4() && winner.prefix >= about.prefix &&
            winner.action == decision.action);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::vector<EgressRule> rules;
    for (const std::string_view line : rk::split(text, '\n')) {
        const auto action = line.size() % 2 == 0 ? EgressAction::kDeny : EgressAction::kAllow;
        const auto rule = EgressRule::parse(action, line);
        if (rule && rules.size() < 32) {
            const auto again = EgressRule::parse(action, rule->text());
            require(rule->valid() && again && *again == *rule);
            rules.push_back(*rule);
        }
    }
    const EgressPolicy policy(rules);
    for (const EgressRule& rule : rules) {
        check_decision(policy, rules, rule);
    }
    return 0;
}
