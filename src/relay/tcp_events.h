// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the TCP engine ask of epoll.
#pragma once

#include "relay/poller.h"
#include "relay/tcp_connection.h"

#include <cstdint>

namespace rk::relay {

// EPOLLOUT of a connected socket is asked for once it was needed: a fresh one would report it at
// once.
inline constexpr std::uint32_t kEagerEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
inline constexpr std::uint32_t kFullEvents = kEagerEvents | EPOLLOUT;
inline constexpr std::uint32_t kBroken = EPOLLERR | EPOLLHUP;

[[nodiscard]] inline Tag tag_of(const Connection& connection, Way side) {
    return Tag::of(side == kIn ? Kind::kClient : Kind::kBackend, connection);
}

}  // namespace rk::relay
