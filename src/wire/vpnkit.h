// SPDX-License-Identifier: Apache-2.0
//
// What vpnkit and its clients say to each other on the Ethernet socket, little-endian:
//
//   client -> server   hello, 49 bytes: "VMN3T", version (4), the commit it was built from (40)
//   server -> client   the same
//   client -> server   request, 41 bytes: 1 = an interface with any address, a UUID (36), 0 (4)
//   server -> client   1 and the interface, 256 bytes: MTU (2), largest packet (2), MAC (6),
//   padding;
//                      or anything else, the length (1) of a text, and that text: why not
//   both               Ethernet frames, each after its length (2)
//
// A client that comes back under its UUID gets the address it had.
#pragma once

#include "base/result.h"
#include "model/mac_address.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk::wire {

inline constexpr std::size_t kVpnkitHelloBytes = 49;
[[nodiscard]] std::string encode_vpnkit_hello();
/// Whether a server's hello, kVpnkitHelloBytes of it, is one. Its version is its own business.
[[nodiscard]] bool is_vpnkit_hello(std::string_view bytes);

/// A random UUID (RFC 4122, version 4) from random bytes, in lower case.
[[nodiscard]] std::string uuid_text(std::array<std::uint8_t, 16> random);
/// `uuid`: 36 characters.
[[nodiscard]] std::string encode_vpnkit_request(std::string_view uuid);

/// The first byte of an answer that gives an interface.
inline constexpr std::uint8_t kVpnkitGranted = 1;
/// What the server says of it.
struct VpnkitInterface {
    std::uint16_t mtu = 0;
    std::uint16_t max_packet = 0;
    model::MacAddress mac{};
};
inline constexpr std::size_t kVpnkitInterfaceBytes = 256;
/// Decodes what follows kVpnkitGranted. Error: it is cut, or the address is none for a host.
[[nodiscard]] Result<VpnkitInterface> decode_vpnkit_interface(std::string_view bytes);

/// Bytes of a frame's length, and the longest frame.
inline constexpr std::size_t kVpnkitLengthBytes = 2;
inline constexpr std::size_t kVpnkitMaxFrame = 65535;
/// The length that goes before a frame, in the order of transmission.
[[nodiscard]] std::array<char, kVpnkitLengthBytes> vpnkit_length(std::size_t frame_bytes);
/// Takes the first frame off a stream; empty, and nothing taken, where it is not complete yet.
/// Allocates nothing.
[[nodiscard]] std::optional<std::string_view> take_vpnkit_frame(std::string_view& stream);

}  // namespace rk::wire
