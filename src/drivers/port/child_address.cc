// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/child_address.h"

namespace rk::drivers {

namespace {

constexpr std::uint32_t kLoopbackV4 = 0x7f000001;

model::IpAddress loopback_v6() {
    return model::IpAddress({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

}  // namespace

model::IpAddress child_address(std::string_view parent_ip, std::string_view child_ip) {
    if (const auto child = model::IpAddress::parse(child_ip)) {
        return *child;
    }
    const auto parent = model::IpAddress::parse(parent_ip);
    if (parent && parent->is_loopback()) {
        return *parent;
    }
    return parent && !parent->is_v4() ? loopback_v6() : model::IpAddress::v4(kLoopbackV4);
}

}  // namespace rk::drivers
