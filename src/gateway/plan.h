// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rk::gateway {

/// The addresses of one family: the namespace's, and the router's two.
struct FamilyPlan {
    model::IpAddress address;  // of the namespace
    std::uint8_t prefix = 0;
    model::IpAddress gateway;
    model::IpAddress dns;  // may be the gateway's
};

/// The builtin network as it is to be.
struct Plan {
    std::string device;     // the interface's name in the namespace
    std::uint32_t mtu = 0;  // bytes
    FamilyPlan v4;
    std::optional<FamilyPlan> v6;
    bool watch_sockets = false;  // whether the parent lists the namespace's sockets
    unsigned workers = 1;        // threads of the relay; each has its own queue and UDP sockets
};

}  // namespace rk::gateway
