// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace rk::wire {

/// Why a datagram did not arrive; the same for both families (RFC 792, RFC 1812, RFC 4443).
enum class Unreachable : std::uint8_t { kPort, kNetwork, kHost, kProhibited };

/// Bytes of the larger message: ICMPv6's header, IPv6's and UDP's.
inline constexpr std::size_t kMaxIcmpError = 8 + 40 + 8;

/// Writes the ICMP (or ICMPv6) message "destination unreachable" for a UDP datagram that was sent
/// from one endpoint to another of the same family, with the beginning of that datagram as it must
/// have been, which is what the sender's kernel finds the socket by. Returns its length. ICMP's
/// checksum is filled in; ICMPv6's is left to the kernel, which always does it (RFC 3542, 3.1).
[[nodiscard]] std::size_t put_icmp_error(std::array<std::byte, kMaxIcmpError>& out,
                                         Unreachable reason, const model::Endpoint& from,
                                         const model::Endpoint& to);

}  // namespace rk::wire
