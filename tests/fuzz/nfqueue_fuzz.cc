// SPDX-License-Identifier: Apache-2.0
// A datagram of the packet queue, and the packets within.
#include "wire/nfqueue.h"
#include "wire/packet_header.h"

#include <cstdlib>
#include <variant>

namespace {

// What is yielded lies within the input.
bool within(std::span<const std::byte> part, std::span<const std::byte> whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto datagram = std::as_bytes(std::span(data, size));
    rk::wire::QueueReader reader(datagram);
    while (const auto message = reader.next()) {
        if (const auto* packet = std::get_if<rk::wire::QueuedPacket>(&*message)) {
            if (!within(packet->bytes, datagram) || packet->size < packet->bytes.size()) {
                std::abort();
            }
            (void)rk::wire::parse_packet_header(packet->bytes);
        }
    }
    return 0;
}
