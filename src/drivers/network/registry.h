// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/network_driver.h"
#include "model/options.h"
#include "sys/environment.h"

#include <memory>

namespace rk::drivers {

/// The driver of --net, with its helper program looked up in the caller's PATH. Null where there is
/// no interface to connect (host, none). Options and logger must outlive the driver.
[[nodiscard]] Result<std::unique_ptr<NetworkDriver>> make_network_driver(
    const model::Options& options, const sys::Environment& environment, const Logger& log);

}  // namespace rk::drivers
