// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "drivers/port/builtin.h"
#include "drivers/port/port_driver.h"
#include "model/network.h"

#include <memory>

namespace rk::drivers {

/// The driver of --port-driver. Null with those that publish nothing at run time (none). Error: the
/// driver is not built.
[[nodiscard]] Result<std::unique_ptr<PortDriver>> make_port_driver(model::PortDriver driver,
                                                                   BuiltinPortParts parts,
                                                                   const Logger& log);

}  // namespace rk::drivers
