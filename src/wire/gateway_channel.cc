// SPDX-License-Identifier: Apache-2.0
#include "wire/gateway_channel.h"

#include "base/bytes.h"
#include "wire/relay_channel.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rk::wire {

namespace {

// The first byte of a Tell; others may come.
constexpr std::uint8_t kSetEgress = 1;

constexpr std::size_t kAddressBytes = 16;
constexpr std::size_t kRuleBytes = 4 + 1 + 1 + kAddressBytes + 1 + 2 + 2;
constexpr std::size_t kHitsBytes = 4 + 8;
static_assert(1 + model::kMaxEgressRules * kRuleBytes <= kMaxTell);
static_assert(model::kGatewayCounters * 8 + model::kMaxEgressRules * kHitsBytes <= kMaxExtraStats);

void put_rule(ByteWriter& out, const model::EgressRule& rule) {
    out.u32(rule.id);
    out.u8(static_cast<std::uint8_t>(rule.action)).u8(static_cast<std::uint8_t>(rule.protocol));
    for (const std::uint8_t byte : rule.network.bytes()) {
        out.u8(byte);
    }
    out.u8(rule.prefix).u16(rule.first_port).u16(rule.last_port);
}

model::EgressRule take_rule(ByteReader& in) {
    model::EgressRule rule;
    rule.id = in.u32();
    rule.action = static_cast<model::EgressAction>(in.u8());
    rule.protocol = static_cast<model::EgressProtocol>(in.u8());
    std::array<std::uint8_t, kAddressBytes> address{};
    std::generate(address.begin(), address.end(), [&] { return in.u8(); });
    rule.network = model::IpAddress(address);
    rule.prefix = in.u8();
    rule.first_port = in.u16();
    rule.last_port = in.u16();
    return rule;
}

}  // namespace

std::string encode(const SetEgress& message) {
    ByteWriter out;
    out.u8(kSetEgress);
    const std::size_t count = std::min(message.rules.size(), model::kMaxEgressRules);
    for (std::size_t i = 0; i < count; ++i) {
        put_rule(out, message.rules[i]);
    }
    return std::move(out).take();
}

Result<SetEgress> decode_set_egress(std::string_view text) {
    ByteReader in(text);
    if (in.u8() != kSetEgress || text.size() > 1 + model::kMaxEgressRules * kRuleBytes) {
        return fail("gateway channel: no egress rules");
    }
    SetEgress message;
    while (in.ok() && !in.at_end()) {
        message.rules.push_back(take_rule(in));
        if (!in.ok() || !message.rules.back().valid()) {
            return fail("gateway channel: malformed egress rule {}", message.rules.size());
        }
    }
    return message;
}

std::string encode(const GatewayReport& report) {
    ByteWriter out;
    model::each_gateway_counter(report.stats,
                                [&](const char* /*name*/, std::uint64_t value) { out.u64(value); });
    const std::size_t count = std::min(report.egress.size(), model::kMaxEgressRules);
    for (std::size_t i = 0; i < count; ++i) {
        out.u32(report.egress[i].id).u64(report.egress[i].hits);
    }
    return std::move(out).take();
}

Result<GatewayReport> decode_gateway_report(std::string_view text) {
    ByteReader in(text);
    GatewayReport report;
    model::each_gateway_counter(
        report.stats, [&](const char* /*name*/, std::uint64_t& value) { value = in.u64(); });
    if (in.left() > model::kMaxEgressRules * kHitsBytes) {
        return fail("gateway channel: a report of {} bytes", text.size());
    }
    while (in.ok() && !in.at_end()) {
        const std::uint32_t id = in.u32();
        report.egress.push_back({id, in.u64()});
    }
    if (!in.ok()) {
        return fail("gateway channel: malformed report");
    }
    return report;
}

}  // namespace rk::wire
