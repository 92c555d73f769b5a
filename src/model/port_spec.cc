// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The protocol is what follows the last '/'. Before it stand fields separated by ':', where a field
// in square brackets may contain ':'. Two fields more than the child port's end are the least
// (parent IP, which may be empty, and parent port), three the most. The grammar is strict: no
// blanks, signs or leading zeros in numbers, nothing between a bracket and the next ':'.
//
// "fd" in the first field's place makes the second the name of an inherited socket. A name has no
// ':' (sd_listen_fds_with_names(3)), so the fields stay what they are.
//
// A port field with a '-' between two numbers is a range. Where it is none, the whole field is what
// the error names, as for any other text that is no number.
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
constexpr std::string_view kInherited = "fd:";

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

struct PortRange {
    std::int64_t first = 0;
    std::int64_t last = 0;  // 0 = a single port
};

bool is_plain_number(std::string_view text) {
    return !text.empty() && (text.size() == 1 || text[0] != '0') &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<std::int64_t> plain_number(std::string_view text) {
    const auto number = parse_decimal(text, INT64_MAX);
    if (!is_plain_number(text) || !number) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(*number);
}

Result<PortRange> parse_port(const Field& field, std::string_view name, std::string_view whole) {
    const std::size_t dash = field.text.find('-');
    const auto first = plain_number(field.text.substr(0, dash));
    if (!field.bracketed && first && dash == std::string_view::npos) {
        return PortRange{*first, 0};
    }
    if (!field.bracketed && first && dash != std::string_view::npos) {
        // A range of nothing ("0-0") must not look like a single port, whose end is 0.
        const auto last = plain_number(field.text.substr(dash + 1));
        if (last && *last > 0) {
            return PortRange{*first, *last};
        }
    }
    return fail(
        "unexpected {} in PortSpec string: {}: strconv.Atoi: parsing {}: {}", name, quote(whole),
        quote(field.text),
        !field.bracketed && is_plain_number(field.text) ? "value out of range" : "invalid syntax");
}

Result<void> check_proto(std::string_view proto) {
    if (std::find(kProtocols.begin(), kProtocols.end(), proto) == kProtocols.end()) {
        return fail("unknown proto: {}", quote(proto));
    }
    return {};
}

Result<std::uint16_t> check_port(std::int64_t port, std::int64_t lowest, std::string_view name) {
    if (port < lowest || port > kMaxPort) {
        return fail("invalid {}: {}", name, port);
    }
    return static_cast<std::uint16_t>(port);
}

// How many ports a range of this end has; an end of 0 means that there is one port.
Result<std::uint16_t> count_ports(std::uint16_t first, std::int64_t end, std::string_view name) {
    if (end == 0) {
        return std::uint16_t{1};
    }
    if (first == 0 || end < first || end > kMaxPort) {
        return fail("invalid {}: {}-{}", name, first, end);
    }
    return static_cast<std::uint16_t>(end - first + 1);
}

Result<void> check_parent_ip(const PortFields& fields) {
    const std::string& ip = fields.parent_ip;
    if (ip.empty() || is_ip_literal(ip)) {
        return {};
    }
    if (!ip.starts_with(kInherited) || ip.size() == kInherited.size() ||
        ip.find(':', kInherited.size()) != std::string::npos) {
        return fail("invalid ParentIP: {}", quote(ip));
    }
    if (fields.parent_port != 0 || fields.parent_port_end != 0) {
        return fail("invalid ParentPort: {}", fields.parent_port);  // the socket has its own
    }
    return {};
}

std::string port_text(std::uint16_t first, std::uint16_t last) {
    return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

// "fd:NAME:80": the first two fields together are the parent.
Result<void> take_inherited(const std::vector<Field>& fields, std::string_view whole,
                            PortFields& ports) {
    if (fields.size() < 3 || fields.size() > 4 || fields[1].text.empty() || fields[1].bracketed) {
        return fail("unexpected PortSpec string: {}", quote(whole));
    }
    ports.parent_ip = fmt::format("{}{}", kInherited, fields[1].text);
    return {};
}

// What follows the parent's two fields.
Result<void> take_child(const std::vector<Field>& fields, std::string_view whole,
                        PortFields& ports) {
    if (fields.size() == 4) {
        if (!is_ip_field(fields[2])) {
            return fail("unexpected ChildIP in PortSpec string: {}", quote(whole));
        }
        ports.child_ip = fields[2].text;
    }
    const PortRange range = TRY(parse_port(fields.back(), "ChildPort", whole));
    ports.child_port = range.first;
    ports.child_port_end = range.last;
    return {};
}

Result<PortFields> fields_to_ports(const std::vector<Field>& fields, std::string_view whole) {
    // An IPv6 address without brackets falls apart into more fields than there may be; its first
    // piece is no IPv4 address (but may be empty), and naming the address is what helps.
    const bool too_many = fields.size() > 4;
    const bool inherited = fields.front().text == "fd" && !fields.front().bracketed;
    if (inherited) {
        PortFields ports;
        TRY(take_inherited(fields, whole, ports));
        TRY(take_child(fields, whole, ports));
        return ports;
    }
    if (!is_ip_field(fields.front()) || (too_many && fields.front().text.empty())) {
        return fail("unexpected ParentIP in PortSpec string: {}", quote(whole));
    }
    if (too_many) {
        return fail("unexpected PortSpec string: {}", quote(whole));
    }
    const Field missing;
    PortFields ports;
    ports.parent_ip = fields.front().text;
    const PortRange range =
        TRY(parse_port(fields.size() > 2 ? fields[1] : missing, "ParentPort", whole));
    ports.parent_port = range.first;
    ports.parent_port_end = range.last;
    TRY(take_child(fields, whole, ports));
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
    TRY(check_parent_ip(fields));
    if (!fields.child_ip.empty() && !is_ip_literal(fields.child_ip)) {
        return fail("invalid ChildIP: {}", quote(fields.child_ip));
    }
    PortSpec spec;
    spec.parent_port_ = TRY(check_port(fields.parent_port, 0, "ParentPort"));
    spec.child_port_ = TRY(check_port(fields.child_port, 1, "ChildPort"));
    spec.count_ = TRY(count_ports(spec.parent_port_, fields.parent_port_end, "ParentPort"));
    const std::uint16_t targets =
        TRY(count_ports(spec.child_port_, fields.child_port_end, "ChildPort"));
    if (spec.count_ != targets) {
        return fail("invalid ChildPort: {} parent ports but {} child ports", spec.count_, targets);
    }
    spec.proto_ = std::move(fields.proto);
    spec.parent_ip_ = std::move(fields.parent_ip);
    spec.child_ip_ = std::move(fields.child_ip);
    return spec;
}

bool PortSpec::conflicts_with(const PortSpec& other) const {
    // Whoever leaves the port to the system gets one that is free.
    return proto_ == other.proto_ && parent_ip_ == other.parent_ip_ && parent_port_ != 0 &&
           other.parent_port_ != 0 && parent_port_ <= other.parent_port_end() &&
           other.parent_port_ <= parent_port_end();
}

std::uint16_t PortSpec::parent_port_end() const {
    return static_cast<std::uint16_t>(parent_port_ + count_ - 1);
}

std::uint16_t PortSpec::child_port_end() const {
    return static_cast<std::uint16_t>(child_port_ + count_ - 1);
}

std::string_view PortSpec::inherited_name() const {
    std::string_view ip = parent_ip_;
    return ip.starts_with(kInherited) ? ip.substr(kInherited.size()) : std::string_view();
}

PortSpec PortSpec::with_parent(std::string parent_ip, std::uint16_t parent_port) const {
    PortSpec spec = *this;
    spec.parent_ip_ = std::move(parent_ip);
    spec.parent_port_ = parent_port;
    return spec;
}

Result<void> PortSpec::check_one_fixed_port() const {
    if (!inherited_name().empty()) {
        return fail("invalid ParentIP: {}", quote(parent_ip_));
    }
    if (parent_port_ == 0) {
        return fail("invalid ParentPort: 0");
    }
    if (is_range()) {
        return fail("invalid ParentPort: {}-{} is no single port", parent_port_, parent_port_end());
    }
    return {};
}

std::string PortSpec::in_braces() const {
    return fmt::format("{{{} {} {} {} {}}}", proto_, parent_ip_,
                       port_text(parent_port_, parent_port_end()),
                       port_text(child_port_, child_port_end()), child_ip_);
}

}  // namespace rk::model
