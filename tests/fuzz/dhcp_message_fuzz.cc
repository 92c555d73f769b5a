// SPDX-License-Identifier: Apache-2.0
// Datagrams from an Ethernet frame, and the DHCP reply in one. What is read as a datagram is
// written again and has to be read as the same.
#include "wire/dhcp_message.h"
#include "wire/udp_packet.h"

#include <cstdlib>
#include <string_view>

namespace {

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void read_packet(std::string_view packet) {
    using rk::wire::UdpChecksum;
    const auto datagram = rk::wire::decode_udp_packet(packet, UdpChecksum::kIgnored);
    if (!datagram) {
        return;
    }
    const auto again = rk::wire::encode_udp_packet(*datagram);
    check(again.has_value());
    const auto same = rk::wire::decode_udp_packet(*again, UdpChecksum::kVerified);
    check(same && same->from == datagram->from && same->to == datagram->to &&
          same->payload == datagram->payload);
    static_cast<void>(rk::wire::decode_dhcp(datagram->payload));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto frame = rk::wire::decode_frame(bytes)) {
        read_packet(frame->payload);
    }
    if (const auto reply = rk::wire::decode_dhcp(bytes)) {
        check(!reply->prefix || *reply->prefix <= 32);
    }
    return 0;
}
