// SPDX-License-Identifier: Apache-2.0
//
// DHCP for IPv4 as a client speaks it (RFC 2131; options RFC 2132): what it sends, and what it may
// get back. The bytes are the payload of a datagram from port 68 to port 67, or back.
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "model/mac_address.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

inline constexpr std::uint16_t kDhcpServerPort = 67;
inline constexpr std::uint16_t kDhcpClientPort = 68;

enum class DhcpType : std::uint8_t {
    kDiscover = 1,
    kOffer = 2,
    kRequest = 3,
    kDecline = 4,
    kAck = 5,
    kNak = 6,
    kRelease = 7,
};

/// What a client says. Addresses are IPv4.
struct DhcpQuery {
    DhcpType type = DhcpType::kDiscover;
    std::uint32_t transaction = 0;  // chosen by the client, repeated in the reply
    model::MacAddress client{};
    bool broadcast = true;                             // cannot receive unicast yet
    std::optional<model::IpAddress> client_address{};  // the one it has, when it renews (RENEWING)
    std::optional<model::IpAddress> requested{};       // the one it was offered (REQUESTING)
    std::optional<model::IpAddress> server{};          // whose offer it takes
};

/// Payload of a datagram; 300 bytes or more, since some servers and relays drop shorter ones.
[[nodiscard]] std::string encode_dhcp(const DhcpQuery& query);

/// What a server says. Absent is what it left out.
struct DhcpReply {
    DhcpType type = DhcpType::kOffer;  // kOffer, kAck or kNak
    std::uint32_t transaction = 0;
    model::MacAddress client{};
    model::IpAddress your_address;  // IPv4, perhaps 0.0.0.0
    std::optional<std::uint8_t> prefix;
    std::vector<model::IpAddress> routers;
    std::vector<model::IpAddress> dns;
    std::optional<std::uint32_t> lease_seconds;      // 0xffffffff: for ever
    std::optional<std::uint32_t> renewal_seconds;    // T1
    std::optional<std::uint32_t> rebinding_seconds;  // T2
    std::optional<std::uint16_t> mtu;
    std::optional<model::IpAddress> server;
    std::string message;  // why not, in a kNak
};

/// Reads an OFFER, ACK or NAK. Unknown options are skipped; one of ours with a wrong length or a
/// mask with holes makes the whole message an error.
[[nodiscard]] Result<DhcpReply> decode_dhcp(std::string_view payload);

}  // namespace rk::wire
