// SPDX-License-Identifier: Apache-2.0
#include "model/egress_rule.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace rk::model {

namespace {

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr std::uint64_t kMaxPort = 65535;
// The longest one is less than 80; errors quote the text, and it may come from the API.
constexpr std::size_t kLongestRule = 128;  // bytes

struct ProtocolName {
    std::string_view text;
    EgressProtocol protocol;
};
constexpr std::array<ProtocolName, 3> kProtocols = {{
    {"tcp", EgressProtocol::kTcp},
    {"udp", EgressProtocol::kUdp},
    {"icmp", EgressProtocol::kIcmp},
}};

unsigned address_bits(const IpAddress& address) {
    return address.is_v4() ? kV4Bits : kV6Bits;
}

// The address with all bits after the first `prefix` cleared.
IpAddress masked(const IpAddress& address, unsigned prefix) {
    std::array<std::uint8_t, 16> bytes = address.bytes();
    for (unsigned bit = kV6Bits - address_bits(address) + prefix; bit < kV6Bits; ++bit) {
        bytes.at(bit / 8) &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    }
    return IpAddress(bytes);
}

// The three parts of a rule's text; ports and protocol may be empty.
struct Parts {
    std::string_view network;
    std::optional<std::string_view> ports;
    std::string_view protocol;
};

bool starts_like_a_name(std::string_view text) {
    return !text.empty() &&
           ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
}

// After the last slash stands the prefix length, the end of "[...]:PORT", or a protocol.
Result<Parts> split_parts(std::string_view text) {
    Parts parts;
    const std::size_t slash = text.rfind('/');
    if (slash != std::string_view::npos && starts_like_a_name(text.substr(slash + 1))) {
        parts.protocol = text.substr(slash + 1);
        text = text.substr(0, slash);
    }
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return fail(R"("[" without "]")");
        }
        parts.network = text.substr(1, end - 1);
        const std::string_view rest = text.substr(end + 1);
        if (parts.network.find(':') == std::string_view::npos) {
            return fail("brackets are for IPv6");
        }
        if (!rest.empty() && !rest.starts_with(':')) {
            return fail(
                R"(after "]" comes ":PORT" or "/PROTO"; the prefix length stands before it)");
        }
        if (!rest.empty()) {
            parts.ports = rest.substr(1);
        }
        return parts;
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && colon == text.rfind(':')) {
        parts.ports = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    parts.network = text;
    return parts;
}

Result<void> take_network(std::string_view text, EgressRule& rule) {
    const std::size_t slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    const bool six = text.find(':') != std::string_view::npos;
    if (!address) {
        return fail("{} is no IP address{}", quote(text.substr(0, slash)),
                    six ? "; with a port, IPv6 is written as [2001:db8::/32]:443" : "");
    }
    if (six && address->is_v4()) {
        return fail("IPv4 is written as {}", address->text());
    }
    const unsigned bits = address_bits(*address);
    std::optional<std::uint64_t> prefix = bits;
    if (slash != std::string_view::npos) {
        prefix = parse_decimal(text.substr(slash + 1), bits);
    }
    if (!prefix) {
        return fail("{} is no prefix length from 0 to {}", quote(text.substr(slash + 1)), bits);
    }
    rule.prefix = static_cast<std::uint8_t>(*prefix);
    rule.network = masked(*address, rule.prefix);
    if (rule.network != *address) {
        return fail("host bits are set; the network is {}/{}", rule.network.text(), rule.prefix);
    }
    return {};
}

Result<std::uint16_t> take_port(std::string_view text) {
    const auto port = parse_decimal(text, kMaxPort);
    if (!port || *port == 0) {
        return fail("{} is no port from 1 to {}", quote(text), kMaxPort);
    }
    return static_cast<std::uint16_t>(*port);
}

Result<void> take_ports(std::string_view text, EgressRule& rule) {
    const std::size_t dash = text.find('-');
    rule.first_port = TRY(take_port(text.substr(0, dash)));
    rule.last_port =
        dash == std::string_view::npos ? rule.first_port : TRY(take_port(text.substr(dash + 1)));
    if (rule.last_port < rule.first_port) {
        return fail("the range of ports {} ends before it begins", text);
    }
    return {};
}

Result<void> take_protocol(std::string_view text, EgressRule& rule) {
    const auto* found = std::find_if(kProtocols.begin(), kProtocols.end(),
                                     [&](const ProtocolName& one) { return one.text == text; });
    if (found == kProtocols.end()) {
        return fail("unknown protocol {} (tcp, udp or icmp)", quote(text));
    }
    rule.protocol = found->protocol;
    return {};
}

Result<EgressRule> parse_rule(EgressAction action, std::string_view text) {
    const Parts parts = TRY(split_parts(text));
    EgressRule rule;
    rule.action = action;
    TRY(take_network(parts.network, rule));
    if (parts.ports) {
        TRY(take_ports(*parts.ports, rule));
    }
    if (!parts.protocol.empty()) {
        TRY(take_protocol(parts.protocol, rule));
    }
    if (rule.protocol == EgressProtocol::kIcmp && rule.first_port != 0) {
        return fail("icmp has no ports");
    }
    return rule;
}

}  // namespace

Result<EgressRule> EgressRule::parse(EgressAction action, std::string_view text) {
    if (text.size() > kLongestRule) {
        return fail("egress rule of {} bytes: at most {} make sense", text.size(), kLongestRule);
    }
    return TRY_CTX(parse_rule(action, text), "egress rule {}", quote(text));
}

std::string EgressRule::text() const {
    std::string text = network.text();
    if (prefix != address_bits(network)) {
        text += fmt::format("/{}", prefix);
    }
    const bool more = first_port != 0 || protocol != EgressProtocol::kAny;
    if (more && !network.is_v4()) {
        text = fmt::format("[{}]", text);
    }
    if (first_port != 0) {
        text += first_port == last_port ? fmt::format(":{}", first_port)
                                        : fmt::format(":{}-{}", first_port, last_port);
    }
    for (const ProtocolName& one : kProtocols) {
        if (one.protocol == protocol) {
            text += fmt::format("/{}", one.text);
        }
    }
    return text;
}

bool EgressRule::valid() const {
    return (action == EgressAction::kDeny || action == EgressAction::kAllow) &&
           protocol <= EgressProtocol::kIcmp && prefix <= address_bits(network) &&
           masked(network, prefix) == network && (first_port == 0) == (last_port == 0) &&
           first_port <= last_port && (first_port == 0 || protocol != EgressProtocol::kIcmp);
}

bool EgressRule::same_as(const EgressRule& other) const {
    EgressRule renumbered = other;
    renumbered.id = id;
    return *this == renumbered;
}

std::string_view egress_action_text(EgressAction action) {
    return action == EgressAction::kDeny ? "deny" : "allow";
}

}  // namespace rk::model
