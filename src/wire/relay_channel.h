// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The parent and the relay process talk over one SOCK_SEQPACKET pair. The parent asks, the relay
// answers with the request's number; listening sockets travel beside AddPort as SCM_RIGHTS. The
// relay may send LogLine at any time. EOF ends the relay. Both sides are the same binary, so this
// is no stable format, but the relay faces the network and its packets are therefore decoded as
// untrusted.
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "model/port_status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rk::wire {

enum class Transport : std::uint8_t { kTcp = 1, kUdp = 2 };

/// Where a target is called from: the namespace itself, or its gateway (--net=builtin).
enum class Origin : std::uint8_t { kInside = 0, kGateway = 1 };

/// Parent to relay. One descriptor comes with it: a listening TCP socket or a bound UDP socket of
/// the host's network namespace. A port range is several AddPort with the same id.
struct AddPort {
    std::uint32_t request = 0;
    std::uint32_t id = 0;
    Transport transport = Transport::kTcp;
    model::Endpoint target;
    /// Carry the client's address where the families agree; from inside for TCP only.
    bool transparent = false;
    Origin origin = Origin::kInside;
    /// Called from inside where the target, called from the gateway, is refused or unreachable.
    std::optional<model::Endpoint> fallback{};
    bool fallback_transparent = false;
};
/// Closes the listeners and all connections and flows of an id.
struct RemovePort {
    std::uint32_t request = 0;
    std::uint32_t id = 0;
};
struct GetStats {
    std::uint32_t request = 0;
};
/// Something for what lives in the relay beside published ports (relay::RelayParts::on_tell).
struct Tell {
    std::uint32_t request = 0;
    std::string text;  // at most kMaxTell bytes; more do not arrive
};

/// Relay to parent: the answer to AddPort, RemovePort and Tell. code is an errno, 0 = done.
struct Done {
    std::uint32_t request = 0;
    std::uint32_t code = 0;
    std::string message;
};
/// The answer to GetStats; with many ports in several packets, the last one has more == false.
struct Stats {
    std::uint32_t request = 0;
    bool more = false;
    model::RelayHealth health;
    std::vector<model::PortCounters> ports;
    /// Of the relay's own ports, in the order it was given them; in the last packet.
    std::vector<model::PortCounters> local_ports;
    /// What the relay's guests tell; in the last packet.
    std::string extra;
};
/// Something for the parent's log.
struct LogLine {
    std::uint8_t level = 0;  // LogLevel
    std::string text;
};

using RelayMessage = std::variant<AddPort, RemovePort, GetStats, Done, Stats, LogLine, Tell>;

/// No packet is longer (bytes); Stats is split to fit.
inline constexpr std::size_t kMaxRelayPacket = 16384;
/// Ports in one Stats packet.
inline constexpr std::size_t kPortsPerStats = 128;
/// Local ports, and bytes of extra text, in one Stats packet.
inline constexpr std::size_t kMaxLocalPorts = 8;
inline constexpr std::size_t kMaxExtraStats = 8000;
/// Bytes of one Tell.
inline constexpr std::size_t kMaxTell = 16000;

[[nodiscard]] std::string encode(const RelayMessage& message);
[[nodiscard]] Result<RelayMessage> decode_relay(std::string_view packet);

}  // namespace rk::wire
