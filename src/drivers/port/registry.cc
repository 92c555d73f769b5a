// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/registry.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rk::drivers {

namespace {

using Maker = std::unique_ptr<PortDriver> (*)(BuiltinPortParts parts, const Logger& log);

std::unique_ptr<PortDriver> make_none(BuiltinPortParts /*parts*/, const Logger& /*log*/) {
    return nullptr;
}

std::unique_ptr<PortDriver> make_builtin(BuiltinPortParts parts, const Logger& log) {
    return std::make_unique<BuiltinPortDriver>(std::move(parts), log);
}

struct PortDriverEntry {
    model::PortDriver driver;
    Maker make;
};

constexpr std::array kPortDrivers = {
    PortDriverEntry{model::PortDriver::kNone, make_none},
    PortDriverEntry{model::PortDriver::kBuiltin, make_builtin},
};

}  // namespace

Result<std::unique_ptr<PortDriver>> make_port_driver(model::PortDriver driver,
                                                     BuiltinPortParts parts, const Logger& log) {
    const auto* const found =
        std::find_if(kPortDrivers.begin(), kPortDrivers.end(),
                     [&](const PortDriverEntry& entry) { return entry.driver == driver; });
    if (found == kPortDrivers.end()) {
        return fail("this port driver is not built yet");
    }
    return found->make(std::move(parts), log);
}

}  // namespace rk::drivers
