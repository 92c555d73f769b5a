// SPDX-License-Identifier: Apache-2.0
// A datagram of socket diagnostics, and the ports that follow from it.
#include "drivers/port/implicit_wanted.h"
#include "wire/sock_diag.h"

#include <cstdlib>
#include <variant>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace rk;
    wire::DiagReader reader(std::as_bytes(std::span(data, size)));
    drivers::WantedPorts wanted({}, true);
    while (const auto message = reader.next()) {
        if (const auto* socket = std::get_if<wire::WaitingSocket>(&message->content)) {
            wanted.add(drivers::SocketKind::kUdp, *socket);
            wanted.add(drivers::SocketKind::kTcp, *socket);
        }
    }
    if (wanted.targets().size() > drivers::kMaxImplicitPorts) {
        std::abort();
    }
    for (const auto& [port, target] : wanted.targets()) {
        const bool v4 = port.family == drivers::LoopbackFamily::kIpv4;
        if (port.port == 0 || target.is_v4() != v4) {
            std::abort();
        }
    }
    return 0;
}
