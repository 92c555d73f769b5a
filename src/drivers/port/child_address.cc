// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/child_address.h"

namespace rk::drivers {

namespace {

constexpr std::uint32_t kLoopbackV4 = 0x7f000001;

model::IpAddress loopback_v6() {
    return model::IpAddress({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

model::IpAddress loopback_for(std::string_view parent_ip) {
    const auto parent = model::IpAddress::parse(parent_ip);
    if (parent && parent->is_loopback()) {
        return *parent;
    }
    return parent && !parent->is_v4() ? loopback_v6() : model::IpAddress::v4(kLoopbackV4);
}

}  // namespace

PortTarget port_target(std::string_view parent_ip, std::string_view child_ip,
                       const std::optional<GatewayTargets>& gateway) {
    const auto given = model::IpAddress::parse(child_ip);
    const model::IpAddress loopback = loopback_for(parent_ip);
    PortTarget target{.address = given.value_or(loopback)};
    if (!gateway) {
        return target;
    }
    const model::IpAddress& own = target.address.is_v4() ? gateway->child_v4 : gateway->child_v6;
    if (own.is_unspecified() || (given && *given != own)) {
        return target;
    }
    target.address = own;
    target.origin = wire::Origin::kGateway;
    if (!given) {
        target.fallback = loopback;
    }
    return target;
}

}  // namespace rk::drivers
