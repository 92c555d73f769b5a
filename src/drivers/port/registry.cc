// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/registry.h"

#include "drivers/port/pesto.h"
#include "drivers/port/slirp4netns_ports.h"
#include "model/pasta.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rk::drivers {

namespace {

using Maker = std::unique_ptr<PortDriver> (*)(PortDriverParts parts, const Logger& log);

// NOLINTNEXTLINE(performance-unnecessary-value-param): the others keep the parts
std::unique_ptr<PortDriver> make_none(PortDriverParts /*parts*/, const Logger& /*log*/) {
    return nullptr;
}

std::unique_ptr<PortDriver> make_builtin(PortDriverParts parts, const Logger& log) {
    return std::make_unique<BuiltinPortDriver>(std::move(parts.builtin), log);
}

std::unique_ptr<PortDriver> make_slirp4netns(PortDriverParts parts, const Logger& log) {
    return std::make_unique<Slirp4netnsPortDriver>(
        Slirp4netnsPortDriver::Parts{.api_socket = parts.state_dir + "/" + wire::kSlirp4netnsSocket,
                                     .child_ip = std::move(parts.network.child_ip),
                                     .health = parts.health},
        log);
}

std::unique_ptr<PortDriver> make_pesto(PortDriverParts parts, const Logger& log) {
    PestoTarget target{.child_ips = {parts.network.child_ip}, .ipv6 = parts.network.ipv6};
    if (target.ipv6) {
        target.child_ips.emplace_back(model::kPastaIpv6.address);
    }
    return std::make_unique<PestoPortDriver>(
        PestoPortDriver::Parts{
            .program = std::move(parts.pesto),
            .environment = std::move(parts.helper_environment),
            .control_socket = fmt::format("{}/{}", parts.state_dir, model::kPastaControlSocket),
            .target = std::move(target),
            .health = parts.health},
        log);
}

struct PortDriverEntry {
    model::PortDriver driver;
    Maker make;
};

constexpr std::array kPortDrivers = {
    PortDriverEntry{model::PortDriver::kNone, make_none},
    PortDriverEntry{model::PortDriver::kImplicit, make_none},
    PortDriverEntry{model::PortDriver::kBuiltin, make_builtin},
    PortDriverEntry{model::PortDriver::kGvisorTapVsock, make_builtin},
    PortDriverEntry{model::PortDriver::kSlirp4netns, make_slirp4netns},
    PortDriverEntry{model::PortDriver::kPesto, make_pesto},
};

}  // namespace

Result<std::unique_ptr<PortDriver>> make_port_driver(model::PortDriver driver,
                                                     PortDriverParts parts, const Logger& log) {
    const auto* const found =
        std::find_if(kPortDrivers.begin(), kPortDrivers.end(),
                     [&](const PortDriverEntry& entry) { return entry.driver == driver; });
    if (found == kPortDrivers.end()) {
        return fail("no such port driver");
    }
    return found->make(std::move(parts), log);
}

}  // namespace rk::drivers
