// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <cstdint>
#include <string>
#include <vector>

namespace rk::model {

/// The network of the namespace, as its driver gives it to the child. A plain value that travels
/// from the parent to the child.
struct NetworkSetup {
    std::string device;                // the interface's name
    IpAddress address;                 // the namespace's own
    std::uint8_t prefix = 0;           // 0..32
    IpAddress gateway;                 // of the default route
    std::vector<IpAddress> dns;        // name servers, in order; of either family
    std::uint32_t mtu = 0;             // bytes
    bool ipv6 = false;                 // take the IPv6 address from router advertisements
    bool configured_by_child = false;  // else the driver has done it by now
    bool dhcp = false;  // address, prefix, gateway and dns are what a DHCP server says; the child
                        // asks it

    friend bool operator==(const NetworkSetup&, const NetworkSetup&) = default;
};

}  // namespace rk::model
