// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The rules lie sorted by how specific they are, so that the first that matches decides:
//
//   1. the longer prefix (of IPv4 as of IPv6: the fewer addresses it leaves),
//   2. then the narrower range of ports, all of them being the widest,
//   3. then the one that names a protocol,
//   4. then a denial.
//
// What no rule matches is allowed. The gateway translates a few destinations (its own address to
// the host's loopback, its resolver's to that of the host); these have two addresses, the one that
// was asked for and the real one, and a rule that matches either of them matches. The walk is
// linear: a rule is two comparisons of 16 bytes, and there are at most kMaxEgressRules.
#pragma once

#include "model/egress_rule.h"
#include "model/endpoint.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rk::model {

struct EgressDecision {
    EgressAction action = EgressAction::kAllow;
    std::optional<std::size_t> rule;  // place in what the policy was made of; none = no rule

    [[nodiscard]] bool denied() const { return action == EgressAction::kDeny; }
};

/// A set of rules, made for fast decisions. A value; decide() neither allocates nor locks.
class EgressPolicy {
 public:
    /// Allows everything.
    EgressPolicy() = default;
    explicit EgressPolicy(std::span<const EgressRule> rules);

    /// Whether `to` may be reached. The port of ICMP means nothing.
    [[nodiscard]] EgressDecision decide(EgressProtocol protocol, const Endpoint& to) const {
        return decide(protocol, to, to);
    }
    /// The same for a destination that the namespace asks for as `asked` and that is `real`.
    [[nodiscard]] EgressDecision decide(EgressProtocol protocol, const Endpoint& asked,
                                        const Endpoint& real) const;
    [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
    // An address as two numbers: masking and comparing are then two operations.
    using Words = std::array<std::uint64_t, 2>;
    struct Target;
    struct Entry {
        Words network;
        Words mask;
        std::uint16_t first_port;
        std::uint16_t last_port;
        EgressProtocol protocol;
        EgressAction action;
        bool ipv4;
        std::size_t index;

        [[nodiscard]] bool matches(EgressProtocol asked, const Target& to) const;
    };
    [[nodiscard]] static Words words_of(const IpAddress& address);
    [[nodiscard]] static Entry entry_of(const EgressRule& rule, std::size_t index);

    std::vector<Entry> entries_;
};

}  // namespace rk::model
