// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/clock.h"
#include "sys/fd.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rk::sys {

/// A connected SOCK_SEQPACKET pair, close-on-exec, blocking: packets keep their borders and the
/// death of the peer is EOF.
[[nodiscard]] Result<std::pair<Fd, Fd>> seqpacket_pair();

/// Sends one packet; never raises SIGPIPE. Error EPIPE/ECONNRESET: the peer is gone.
[[nodiscard]] Result<void> send_packet(FdRef socket, std::string_view packet);

/// Receives one packet of at most `limit` bytes without waiting. Empty text = EOF, no value =
/// nothing there yet. A longer packet is an error (EMSGSIZE).
[[nodiscard]] Result<std::optional<std::string>> receive_packet(FdRef socket, std::size_t limit);

/// No packet carries more descriptors; more are closed at once, whoever sent them.
inline constexpr std::size_t kMaxPacketDescriptors = 16;

/// A packet and the descriptors that came with it (SCM_RIGHTS), close-on-exec from birth.
struct PacketWithDescriptors {
    std::string packet;  // empty = EOF
    std::vector<Fd> descriptors;
};

/// Sends one packet with copies of `descriptors` (at most kMaxPacketDescriptors, else EINVAL; the
/// packet must not be empty). Waits until `deadline` for room in the queue, then fails with
/// ETIMEDOUT.
[[nodiscard]] Result<void> send_packet_with(FdRef socket, std::string_view packet,
                                            std::span<const FdRef> descriptors, Deadline deadline);

/// As receive_packet, with descriptors. A packet whose descriptors did not all fit, or of which
/// this process could not take all (its fd limit), is an error (EMSGSIZE); those that came are
/// closed.
[[nodiscard]] Result<std::optional<PacketWithDescriptors>> receive_packet_with(FdRef socket,
                                                                               std::size_t limit);

}  // namespace rk::sys
