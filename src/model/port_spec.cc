// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The protocol is what follows the last '/'. Before it stand fields separated by ':', where a field
// in square brackets may contain ':'. Two fields more than the child port's end are the least
// (parent IP, which may be empty, and parent port), three the most. The grammar is strict: no
// blanks, signs or leading zeros in numbers, nothing between a bracket and the next ':'.
#include "model/port_spec.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include <arpa/inet.h>

namespace rk::model {

namespace {

constexpr std::array<std::string_view, 9> kProtocols = {"tcp",  "tcp4", "tcp6",  "udp",  "udp4",
                                                        "udp6", "sctp", "sctp4", "sctp6"};
constexpr std::int64_t kMaxPort = 65535;

struct Field {
    std::string_view text;  // without brackets
    bool bracketed = false;
};

// Nothing on an unclosed bracket, an empty pair, or text between ']' and the next ':'.
std::optional<std::vector<Field>> split_fields(std::string_view text) {
    std::vector<Field> fields;
    for (;;) {
        const bool bracketed = text.starts_with('[');
        const std::size_t end = bracketed ? text.find(']') : text.find(':');
        if (bracketed && (end == std::string_view::npos || end == 1)) {
            return std::nullopt;
        }
        const std::size_t begin = bracketed ? 1 : 0;
        fields.push_back({text.substr(begin, end - begin), bracketed});
        text = end == std::string_view::npos ? "" : text.substr(end + begin);
        if (text.empty()) {
            return fields;
        }
        if (text[0] != ':') {
            return std::nullopt;
        }
        text.remove_prefix(1);
    }
}

bool parses_as(int family, std::string_view text) {
    // inet_pton(3) stops at a zero byte, which would let anything follow.
    if (text.find('\0') != std::string_view::npos) {
        return false;
    }
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return ::inet_pton(family, std::string(text).c_str(), address.data()) == 1;
}

// IPv6 needs its brackets; IPv4 and nothing at all are fine without.
bool is_ip_field(const Field& field) {
    return field.bracketed ? is_ip_literal(field.text)
                           : field.text.empty() || parses_as(AF_INET, field.text);
}

Result<std::int64_t> parse_port(const Field& field, std::string_view name, std::string_view whole) {
    constexpr std::uint64_t kMax = INT64_MAX;
    const bool leading_zero = field.text.size() > 1 && field.text[0] == '0';
    const auto number = parse_decimal(field.text, kMax);
    if (field.bracketed || leading_zero || !number) {
        const bool digits = !field.bracketed && !leading_zero && !field.text.empty() &&
                            field.text.find_first_not_of("0123456789") == std::string_view::npos;
        return fail("unexpected {} in PortSpec string: {}: strconv.Atoi: parsing {}: {}", name,
                    quote(whole), quote(field.text),
                    digits ? "value out of range" : "invalid syntax");
    }
    return static_cast<std::int64_t>(*number);
}

Result<void> check_proto(std::string_view proto) {
    if (std::find(kProtocols.begin(), kProtocols.end(), proto) == kProtocols.end()) {
        return fail("unknown proto: {}", quote(proto));
    }
    return {};
}

Result<std::uint16_t> check_port(std::int64_t port, std::string_view name) {
    if (port < 1 || port > kMaxPort) {
        return fail("invalid {}: {}", name, port);
    }
    return static_cast<std::uint16_t>(port);
}

Result<PortFields> fields_to_ports(const std::vector<Field>& fields, std::string_view whole) {
    const auto unexpected = [&](std::string_view name) {
        return fail("unexpected {} in PortSpec string: {}", name, quote(whole));
    };
    // An IPv6 address without brackets falls apart into more fields than there may be; its first
    // piece is no IPv4 address (but may be empty), and naming the address is what helps.
    const bool too_many = fields.size() > 4;
    if (!is_ip_field(fields.front()) || (too_many && fields.front().text.empty())) {
        return unexpected("ParentIP");
    }
    if (too_many) {
        return fail("unexpected PortSpec string: {}", quote(whole));
    }
    const Field missing;
    PortFields ports;
    ports.parent_ip = fields.front().text;
    ports.parent_port =
        TRY(parse_port(fields.size() > 2 ? fields[1] : missing, "ParentPort", whole));
    if (fields.size() == 4) {
        if (!is_ip_field(fields[2])) {
            return unexpected("ChildIP");
        }
        ports.child_ip = fields[2].text;
    }
    ports.child_port = TRY(parse_port(fields.back(), "ChildPort", whole));
    return ports;
}

}  // namespace

bool is_ip_literal(std::string_view text) {
    return parses_as(AF_INET, text) || parses_as(AF_INET6, text);
}

Result<PortFields> parse_port_fields(std::string_view text) {
    const std::size_t slash = text.rfind('/');
    if (slash == std::string_view::npos) {
        return fail("missing proto in PortSpec string: {}", quote(text));
    }
    const std::string_view proto = text.substr(slash + 1);
    TRY_CTX(check_proto(proto), "invalid PortSpec string: {}", quote(text));
    const auto fields = split_fields(text.substr(0, slash));
    if (!fields || fields->size() < 2) {
        return fail("unexpected PortSpec string: {}", quote(text));
    }
    PortFields ports = TRY(fields_to_ports(*fields, text));
    ports.proto = proto;
    return ports;
}

Result<PortSpec> PortSpec::parse(std::string_view text) {
    return from_fields(TRY(parse_port_fields(text)));
}

Result<PortSpec> PortSpec::from_fields(PortFields fields) {
    TRY(check_proto(fields.proto));
    if (!fields.parent_ip.empty() && !is_ip_literal(fields.parent_ip)) {
        return fail("invalid ParentIP: {}", quote(fields.parent_ip));
    }
    if (!fields.child_ip.empty() && !is_ip_literal(fields.child_ip)) {
        return fail("invalid ChildIP: {}", quote(fields.child_ip));
    }
    PortSpec spec;
    spec.parent_port_ = TRY(check_port(fields.parent_port, "ParentPort"));
    spec.child_port_ = TRY(check_port(fields.child_port, "ChildPort"));
    spec.proto_ = std::move(fields.proto);
    spec.parent_ip_ = std::move(fields.parent_ip);
    spec.child_ip_ = std::move(fields.child_ip);
    return spec;
}

bool PortSpec::conflicts_with(const PortSpec& other) const {
    return proto_ == other.proto_ && parent_ip_ == other.parent_ip_ &&
           parent_port_ == other.parent_port_;
}

std::string PortSpec::in_braces() const {
    return fmt::format("{{{} {} {} {} {}}}", proto_, parent_ip_, parent_port_, child_port_,
                       child_ip_);
}

}  // namespace rk::model
