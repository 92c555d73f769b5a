// SPDX-License-Identifier: Apache-2.0
#include "wire/packet_header.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto packet = std::as_bytes(std::span(data, size));
    const auto header = rk::wire::parse_packet_header(packet);
    const auto* echo = std::get_if<rk::wire::EchoRequest>(&header);
    if (echo != nullptr) {
        const auto* begin = echo->payload.data();
        const bool inside =
            begin >= packet.data() && begin + echo->payload.size() <= packet.data() + packet.size();
        if (!inside || echo->payload.size() > echo->payload_size ||
            echo->from.is_v4() != echo->to.is_v4()) {
            std::abort();
        }
    }
    const auto* syn = std::get_if<rk::wire::TcpSyn>(&header);
    if (syn != nullptr && syn->from.address.is_v4() != syn->to.address.is_v4()) {
        std::abort();
    }
    return 0;
}
