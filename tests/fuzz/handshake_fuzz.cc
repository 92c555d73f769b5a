// SPDX-License-Identifier: Apache-2.0
#include "wire/handshake.h"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view packet(reinterpret_cast<const char*>(data), size);
    const auto message = rk::wire::decode(packet);
    // What decodes must encode to something that decodes again.
    if (message && !rk::wire::decode(rk::wire::encode(*message))) {
        std::abort();
    }
    return 0;
}
