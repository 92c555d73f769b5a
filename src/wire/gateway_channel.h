// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// What the parent and the gateway within the relay say to each other rides on the relay's channel
// (wire/relay_channel.h): SetEgress is the text of a Tell, GatewayReport the extra text of Stats.
// The relay faces the network, so what comes from it is decoded as untrusted; the same for the
// other direction costs nothing.
#pragma once

#include "base/result.h"
#include "model/egress_rule.h"
#include "model/gateway_stats.h"

#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

/// Parent to gateway: these are the rules from now on, all of them, each with an id of its own.
/// Rules whose ids stay keep their counters.
struct SetEgress {
    std::vector<model::EgressRule> rules;  // at most model::kMaxEgressRules
};

/// Gateway to parent.
struct GatewayReport {
    model::GatewayStats stats;
    std::vector<model::EgressHits> egress;  // by id
};

[[nodiscard]] std::string encode(const SetEgress& message);
[[nodiscard]] Result<SetEgress> decode_set_egress(std::string_view text);

[[nodiscard]] std::string encode(const GatewayReport& report);
[[nodiscard]] Result<GatewayReport> decode_gateway_report(std::string_view text);

}  // namespace rk::wire
