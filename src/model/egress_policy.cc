// SPDX-License-Identifier: Apache-2.0
#include "model/egress_policy.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace rk::model {

namespace {

constexpr unsigned kV4Offset = 96;  // bits of a v4-mapped address before the IPv4 one
constexpr unsigned kAddressBits = 128;
constexpr unsigned kWordBits = 64;
constexpr unsigned kAllPorts = 65536;  // wider than the widest range that can be written

// The first `bits` (0 to 64) set.
std::uint64_t word_mask(unsigned bits) {
    return bits == 0 ? 0 : ~std::uint64_t{0} << (kWordBits - bits);
}

unsigned mapped_prefix(const EgressRule& rule) {
    return rule.prefix + (rule.network.is_v4() ? kV4Offset : 0);
}

// Orders rules by how specific they are; the smaller decides first.
auto rank(const EgressRule& rule) {
    const unsigned ports = rule.first_port == 0 ? kAllPorts : rule.last_port - rule.first_port + 1U;
    return std::tuple(kAddressBits - mapped_prefix(rule), ports,
                      rule.protocol == EgressProtocol::kAny, rule.action == EgressAction::kAllow);
}

}  // namespace

struct EgressPolicy::Target {
    Words address;
    std::uint16_t port;
    bool ipv4;
};

EgressPolicy::Words EgressPolicy::words_of(const IpAddress& address) {
    Words words{};
    for (std::size_t i = 0; i < address.bytes().size(); ++i) {
        std::uint64_t& word = words.at(i / 8);
        word = word << 8U | address.bytes().at(i);
    }
    return words;
}

EgressPolicy::Entry EgressPolicy::entry_of(const EgressRule& rule, std::size_t index) {
    const unsigned prefix = mapped_prefix(rule);
    return {words_of(rule.network),
            {word_mask(std::min(prefix, kWordBits)),
             word_mask(prefix > kWordBits ? prefix - kWordBits : 0)},
            rule.first_port,
            rule.last_port,
            rule.protocol,
            rule.action,
            rule.network.is_v4(),
            index};
}

EgressPolicy::EgressPolicy(std::span<const EgressRule> rules) {
    std::vector<std::size_t> order(rules.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rank(rules[a]) < rank(rules[b]); });
    entries_.reserve(rules.size());
    for (const std::size_t index : order) {
        entries_.push_back(entry_of(rules[index], index));
    }
}

bool EgressPolicy::Entry::matches(EgressProtocol asked, const Target& to) const {
    // ::/0 contains the v4-mapped addresses, but is not about IPv4.
    if (to.ipv4 != ipv4 || ((to.address[0] ^ network[0]) & mask[0]) != 0 ||
        ((to.address[1] ^ network[1]) & mask[1]) != 0) {
        return false;
    }
    if (protocol != EgressProtocol::kAny && protocol != asked) {
        return false;
    }
    if (first_port == 0) {
        return true;
    }
    return asked != EgressProtocol::kIcmp && to.port >= first_port && to.port <= last_port;
}

EgressDecision EgressPolicy::decide(EgressProtocol protocol, const Endpoint& asked,
                                    const Endpoint& real) const {
    const Target first{words_of(asked.address), asked.port, asked.address.is_v4()};
    const Target second{words_of(real.address), real.port, real.address.is_v4()};
    for (const Entry& entry : entries_) {
        if (entry.matches(protocol, first) || entry.matches(protocol, second)) {
            return {entry.action, entry.index};
        }
    }
    return {};
}

}  // namespace rk::model
