// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/network_setup.h"
#include "model/options.h"

namespace rk::drivers {

/// The addresses of drivers with a gateway of their own (builtin, slirp4netns, pasta): in the
/// network of --cidr, by default 10.0.2.0/24, the gateway is number 2, the name server 3 and the
/// namespace 100; with gvisor-tap-vsock number 1 is both gateway and name server. Device "tap0" and
/// MTU 65520 unless the options say otherwise.
[[nodiscard]] model::NetworkSetup plan_addresses(const model::Options& options);

}  // namespace rk::drivers
