// SPDX-License-Identifier: Apache-2.0
//
// What of the pesto port driver is pure: a published port in pesto's words.
#pragma once

#include "base/result.h"
#include "drivers/port/listen.h"
#include "model/endpoint.h"
#include "model/port_spec.h"

#include <string>
#include <vector>

namespace rk::drivers {

/// A forwarding rule of pasta's.
struct PestoRule {
    SocketKind kind = SocketKind::kTcp;
    std::string text;            // "[ADDRESS/]PORT:CHILD_PORT", for pesto's -t or -u
    model::Endpoint listens_on;  // the socket that pasta makes for it
    model::PortSpec same_here;   // what asks for that socket of ours, to try it out

    friend bool operator==(const PestoRule&, const PestoRule&) = default;
};

/// What pasta forwards to: always the namespace's own addresses, whatever the client came by.
struct PestoTarget {
    std::vector<std::string> child_ips;
    bool ipv6 = false;
};

/// Error: pasta has no such rule.
[[nodiscard]] Result<PestoRule> pesto_rule(const model::PortSpec& spec, const PestoTarget& target);

/// The command line that makes these the only rules for incoming traffic.
[[nodiscard]] std::vector<std::string> pesto_command(const std::vector<PestoRule>& rules,
                                                     const std::string& control_socket);

}  // namespace rk::drivers
