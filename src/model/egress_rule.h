// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rk::model {

enum class EgressAction : std::uint8_t { kDeny, kAllow };
/// What a rule is about, and what is asked for; kAny only in rules.
enum class EgressProtocol : std::uint8_t { kAny, kTcp, kUdp, kIcmp };

/// One line of the egress policy of --net=builtin: which destinations it is about, and whether the
/// namespace may reach them. Without ports it is about all of them and about ICMP, too; with ports
/// and without a protocol it is about TCP and UDP.
struct EgressRule {
    /// What counters are kept by; 0 = has none yet. No part of what the rule says.
    std::uint32_t id = 0;
    EgressAction action = EgressAction::kDeny;
    EgressProtocol protocol = EgressProtocol::kAny;
    IpAddress network;             // no host bits
    std::uint8_t prefix = 0;       // of 32 for IPv4, of 128 for IPv6
    std::uint16_t first_port = 0;  // 0 = all ports, and then so is last_port
    std::uint16_t last_port = 0;

    /// Reads "CIDR[:PORT[-PORT]][/PROTO]", as in 10.0.0.0/8, 192.0.2.1:443/tcp, 2001:db8::/32 or
    /// [2001:db8::/32]:1-1023/udp. An address alone is that one address.
    [[nodiscard]] static Result<EgressRule> parse(EgressAction action, std::string_view text);

    /// In canonical form, without the action; parse() reads it.
    [[nodiscard]] std::string text() const;
    /// Whether it keeps the rules above; what parse() returns does.
    [[nodiscard]] bool valid() const;
    /// Whether both say the same.
    [[nodiscard]] bool same_as(const EgressRule& other) const;

    friend bool operator==(const EgressRule&, const EgressRule&) = default;
};

/// Times a rule decided something, by its id.
struct EgressHits {
    std::uint32_t id = 0;
    std::uint64_t hits = 0;

    friend bool operator==(const EgressHits&, const EgressHits&) = default;
};

/// More rules than this are refused: they travel to the relay in one packet.
inline constexpr std::size_t kMaxEgressRules = 512;

/// "deny", "allow".
[[nodiscard]] std::string_view egress_action_text(EgressAction action);

}  // namespace rk::model
