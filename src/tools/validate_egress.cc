// SPDX-License-Identifier: Apache-2.0
#include "tools/validate_egress.h"

#include "model/egress_rule.h"

#include <algorithm>
#include <array>
#include <string>

namespace rk::tools {

namespace {

struct EgressFlag {
    std::string_view name;
    model::EgressAction action;
};
constexpr std::array<EgressFlag, 2> kEgressFlags = {{
    {"egress-deny", model::EgressAction::kDeny},
    {"egress-allow", model::EgressAction::kAllow},
}};

// The gateway of the builtin network does, by either of its names.
bool enforces_egress(model::NetworkDriver network) {
    return network == model::NetworkDriver::kBuiltin ||
           network == model::NetworkDriver::kGvisorTapVsock;
}

void add_new(std::vector<model::EgressRule>& rules, const model::EgressRule& rule) {
    const bool known = std::any_of(rules.begin(), rules.end(),
                                   [&](const model::EgressRule& one) { return one.same_as(rule); });
    if (!known) {
        rules.push_back(rule);
    }
}

}  // namespace

Result<void> validate_egress(const FlagSet& flags, std::string_view network,
                             model::Options& options) {
    for (const EgressFlag& flag : kEgressFlags) {
        for (const std::string& text : flags.list(flag.name)) {
            if (!enforces_egress(options.network)) {
                return fail("--{} is not supported for --net={}, only for --net=builtin", flag.name,
                            network);
            }
            add_new(options.egress,
                    TRY_CTX(model::EgressRule::parse(flag.action, text), "--{}", flag.name));
        }
    }
    if (options.egress.size() > model::kMaxEgressRules) {
        return fail("{} egress rules, at most {} are possible", options.egress.size(),
                    model::kMaxEgressRules);
    }
    return {};
}

}  // namespace rk::tools
