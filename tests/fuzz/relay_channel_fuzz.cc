// SPDX-License-Identifier: Apache-2.0
// What decodes must encode to the same packet.
#include "wire/relay_channel.h"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view packet(reinterpret_cast<const char*>(data), size);
    const auto message = rk::wire::decode_relay(packet);
    if (message && rk::wire::encode(*message) != packet) {
        std::abort();
    }
    return 0;
}
