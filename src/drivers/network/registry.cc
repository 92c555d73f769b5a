// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/registry.h"

#include "drivers/network/builtin.h"
#include "drivers/network/lxc_user_nic.h"
#include "drivers/network/pasta.h"
#include "drivers/network/slirp4netns.h"
#include "drivers/network/vpnkit.h"

#include <algorithm>
#include <array>

namespace rk::drivers {

namespace {

using Maker = Result<std::unique_ptr<NetworkDriver>> (*)(const model::Options& options,
                                                         const sys::Environment& environment,
                                                         const Logger& log);

Result<std::unique_ptr<NetworkDriver>> make_nothing(const model::Options& /*options*/,
                                                    const sys::Environment& /*environment*/,
                                                    const Logger& /*log*/) {
    return nullptr;
}

struct NetworkDriverEntry {
    model::NetworkDriver driver;
    Maker make;
};

constexpr std::array kNetworkDrivers = {
    NetworkDriverEntry{model::NetworkDriver::kHost, make_nothing},
    NetworkDriverEntry{model::NetworkDriver::kNone, make_nothing},
    NetworkDriverEntry{model::NetworkDriver::kBuiltin, BuiltinNetwork::create},
    NetworkDriverEntry{model::NetworkDriver::kGvisorTapVsock, BuiltinNetwork::create},
    NetworkDriverEntry{model::NetworkDriver::kPasta, Pasta::create},
    NetworkDriverEntry{model::NetworkDriver::kSlirp4netns, Slirp4netns::create},
    NetworkDriverEntry{model::NetworkDriver::kLxcUserNic, LxcUserNic::create},
    NetworkDriverEntry{model::NetworkDriver::kVpnkit, Vpnkit::create},
};

}  // namespace

Result<std::unique_ptr<NetworkDriver>> make_network_driver(const model::Options& options,
                                                           const sys::Environment& environment,
                                                           const Logger& log) {
    const auto* const found = std::find_if(
        kNetworkDrivers.begin(), kNetworkDrivers.end(),
        [&](const NetworkDriverEntry& entry) { return entry.driver == options.network; });
    if (found == kNetworkDrivers.end()) {
        return fail("no such network driver");
    }
    return found->make(options, environment, log);
}

}  // namespace rk::drivers
