// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/clock.h"
#include "sys/fd.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace rk::sys {

/// A connected SOCK_SEQPACKET pair, close-on-exec, blocking: packets keep their borders and the death
/// of the peer is EOF.
[[nodiscard]] Result<std::pair<Fd, Fd>> seqpacket_pair();

/// Sends one packet; never raises SIGPIPE. Error EPIPE/ECONNRESET: the peer is gone.
[[nodiscard]] Result<void> send_packet(FdRef socket, std::string_view packet);

/// Receives one packet of at most `limit` bytes without waiting. Empty text = EOF, no value = nothing
/// there yet. A longer packet is an error (EMSGSIZE).
[[nodiscard]] Result<std::optional<std::string>> receive_packet(FdRef socket, std::size_t limit);

}  // namespace rk::sys
