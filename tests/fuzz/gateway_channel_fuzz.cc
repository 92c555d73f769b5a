// SPDX-License-Identifier: Apache-2.0
// What decodes must encode to the same bytes.
#include "wire/gateway_channel.h"

#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto rules = rk::wire::decode_set_egress(text);
    if (rules && rk::wire::encode(*rules) != text) {
        std::abort();
    }
    const auto report = rk::wire::decode_gateway_report(text);
    if (report && rk::wire::encode(*report) != text) {
        std::abort();
    }
    return 0;
}
