// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/pesto_rule.h"

#include "base/text.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rk::drivers {

namespace {

constexpr std::size_t kBaseProtocol = 3;  // of "tcp4"

std::string_view family_suffix(SocketFamily family) {
    switch (family) {
        case SocketFamily::kIpv4:
            return "4";
        case SocketFamily::kIpv6Only:
            return "6";
        case SocketFamily::kDualStack:
            return "";
    }
    return "";
}

Result<void> check_child_ip(const model::PortSpec& spec, const PestoTarget& target) {
    const auto child = model::IpAddress::parse(spec.child_ip());
    const auto is_child = [&](const std::string& ip) {
        return model::IpAddress::parse(ip) == child;
    };
    if (!spec.child_ip().empty() &&
        std::none_of(target.child_ips.begin(), target.child_ips.end(), is_child)) {
        return fail("unsupported ChildIP: {}: pasta forwards to {} only", quote(spec.child_ip()),
                    join(target.child_ips, " and "));
    }
    return {};
}

Result<model::PortSpec> spec_of_socket(const model::PortSpec& spec, const ListenPlan& plan,
                                       std::string_view base) {
    model::PortFields fields;
    fields.proto = fmt::format("{}{}", base, family_suffix(plan.family));
    fields.parent_ip = plan.address.text();
    fields.parent_port = spec.parent_port();
    fields.child_port = spec.child_port();
    return model::PortSpec::from_fields(std::move(fields));
}

}  // namespace

Result<PestoRule> pesto_rule(const model::PortSpec& spec, const PestoTarget& target) {
    TRY(socket_kind(spec.proto()));
    const auto parent = model::IpAddress::parse(spec.parent_ip());
    if (!target.ipv6 && (spec.proto().ends_with('6') || (parent && !parent->is_v4()))) {
        return fail("unsupported protocol {} for {}: --ipv6 was not given", quote(spec.proto()),
                    quote(spec.parent_ip()));
    }
    TRY(check_child_ip(spec, target));
    const ListenPlan plan = TRY(plan_listen(spec.proto(), spec.parent_ip(), target.ipv6));
    const bool any_address =
        plan.family == SocketFamily::kDualStack && plan.address.is_unspecified();
    const std::string where = any_address ? "" : plan.address.text() + "/";
    return PestoRule{.kind = plan.kind,
                     .text = fmt::format("{}{}:{}", where, spec.parent_port(), spec.child_port()),
                     .listens_on = {plan.address, spec.parent_port()},
                     .same_here = TRY(spec_of_socket(
                         spec, plan, std::string_view(spec.proto()).substr(0, kBaseProtocol)))};
}

std::vector<std::string> pesto_command(const std::vector<PestoRule>& rules,
                                       const std::string& control_socket) {
    std::vector<std::string> words = {"pesto", "--clear", "HOST", "--add"};
    for (const PestoRule& rule : rules) {
        words.emplace_back(rule.kind == SocketKind::kTcp ? "--tcp-ports" : "--udp-ports");
        words.push_back(rule.text);
    }
    words.push_back(control_socket);
    return words;
}

}  // namespace rk::drivers
