// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "drivers/network/egress_control.h"
#include "drivers/port/port_driver.h"
#include "model/gateway_stats.h"
#include "model/network_info.h"
#include "model/port_status.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::api {

/// The version of the API we speak (GET /v1/info).
inline constexpr std::string_view kApiVersion = "1.1.2";

/// GET /v1/info. Absent drivers are left out of the JSON.
struct Info {
    std::string version;
    std::string state_dir;
    int child_pid = 0;
    std::optional<model::NetworkInfo> network;
    std::optional<model::HelperHealth> helper;  // of the network driver, as networkDriver.helper
    std::optional<drivers::PortDriverInfo> port;
    std::string api_version{kApiVersion};
};

/// What a network of our own counts.
struct NetworkStats {
    model::RelayHealth relay;
    model::GatewayStats gateway;
};

/// What the API serves, as the parent sees it. `ports` is null with the port drivers none and
/// implicit ("no PortDriver is available"); where it is not, what it says of itself replaces
/// `info.port`, as `network` and `helper` replace their parts of `info`. What is borrowed outlives
/// the server.
struct Service {
    Info info;
    drivers::PortDriver* ports = nullptr;
    /// The network driver; what it says may change with a helper. Null where there is none.
    std::function<model::NetworkInfo()> network{};
    /// How the network driver's helper is now; null where there is none.
    std::function<model::HelperHealth()> helper{};
    /// Null where the network has no egress policy.
    drivers::EgressControl* egress = nullptr;
    /// Empty where the network counts nothing.
    std::function<Result<NetworkStats>()> network_stats{};
    /// networkDriver.extra, asked for anew each time; empty where there is none.
    std::function<std::map<std::string, std::string>()> network_extra{};
};

}  // namespace rk::api
