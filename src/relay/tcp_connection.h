// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "relay/list.h"
#include "relay/pipe_pool.h"
#include "relay/slab.h"
#include "sys/fd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace rk::relay {

struct TcpPort;

enum class State : std::uint8_t {
    kConnecting,  // the client is accepted, the service inside is being called
    kOpen,
    kDoomed,  // closed at the end of the batch; events that still mention it do nothing
};

/// How a service is called: from inside the namespace or from its gateway, as ourselves (the
/// gateway) or as the client.
enum class Call : std::uint8_t { kInside, kInsideAsClient, kGateway, kGatewayAsClient };
inline constexpr std::size_t kCalls = 4;

[[nodiscard]] constexpr bool is_as_client(Call call) {
    return call == Call::kInsideAsClient || call == Call::kGatewayAsClient;
}
[[nodiscard]] constexpr bool is_from_gateway(Call call) {
    return call == Call::kGateway || call == Call::kGatewayAsClient;
}

/// One of the two sockets. Edge-triggered: the flags say what is known, EAGAIN takes it back.
struct Side {
    sys::Fd fd;
    bool readable = false;
    bool writable = true;
    bool hung_up = false;      // FIN or an error was reported: read until the end
    bool watches_out = false;  // EPOLLOUT is asked for
};

/// One direction: what was read from one side and not yet written to the other is in the pipe or in
/// the block, never in both.
struct Direction {
    Pipe pipe;
    std::unique_ptr<Block> block;
    std::uint32_t in_pipe = 0;
    std::uint32_t block_begin = 0;
    std::uint32_t block_end = 0;
    bool bulk = false;   // splice rather than copy
    bool ended = false;  // the source's FIN was read
    bool done = false;   // ... and passed on

    [[nodiscard]] bool holds_data() const { return in_pipe > 0 || block_begin < block_end; }
};

/// Client to service, and back. Also the index of the side that a direction reads from.
enum Way : std::uint8_t { kIn = 0, kOut = 1 };

/// A published TCP connection. 320 bytes; pipes and blocks are borrowed while data is on its way.
struct Connection : SlabPlace {
    State state = State::kConnecting;
    Call call = Call::kInside;  // the last one
    bool by_ipv6 = false;       // the target is the child's IPv6 address instead of the port's
    bool fell_back = false;     // the target is the port's second one
    TcpPort* port = nullptr;
    std::array<Side, 2> sides;  // by Way: [kIn] the client, [kOut] the service
    std::array<Direction, 2> ways;
    model::Endpoint peer;
    model::Endpoint target;  // the port's, or what its chooser said
    std::int64_t dial_deadline_ms = 0;
    ListLink<Connection> of_port;
    ListLink<Connection> dialling;
    ListLink<Connection> queued;  // to be continued, or doomed
};

}  // namespace rk::relay
