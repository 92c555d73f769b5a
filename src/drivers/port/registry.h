// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "drivers/port/builtin.h"
#include "drivers/port/port_driver.h"
#include "model/network.h"
#include "model/network_info.h"
#include "sys/environment.h"

#include <memory>
#include <string>

namespace rk::drivers {

/// What each of the drivers takes its share of.
struct PortDriverParts {
    BuiltinPortParts builtin;
    std::string state_dir;         // where helpers have their sockets
    model::NetworkInfo network{};  // of the network driver
    model::HelperHealth health{};
    std::string pesto{};  // the program; only with that driver
    sys::Environment helper_environment{};
};

/// The driver of --port-driver. Null with those that publish nothing at run time (none). Error: the
/// driver does not exist.
[[nodiscard]] Result<std::unique_ptr<PortDriver>> make_port_driver(model::PortDriver driver,
                                                                   PortDriverParts parts,
                                                                   const Logger& log);

}  // namespace rk::drivers
