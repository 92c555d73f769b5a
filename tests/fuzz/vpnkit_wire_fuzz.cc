// SPDX-License-Identifier: Apache-2.0
// What a vpnkit may send. Frames that were taken and put together again are the stream.
#include "wire/vpnkit.h"

#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    static_cast<void>(rk::wire::is_vpnkit_hello(bytes));
    static_cast<void>(rk::wire::decode_vpnkit_interface(bytes));
    std::string_view rest = bytes;
    std::string again;
    while (const auto frame = rk::wire::take_vpnkit_frame(rest)) {
        const auto length = rk::wire::vpnkit_length(frame->size());
        again.append(length.begin(), length.end()).append(*frame);
    }
    again += rest;
    if (again != bytes) {
        std::abort();
    }
    return 0;
}
