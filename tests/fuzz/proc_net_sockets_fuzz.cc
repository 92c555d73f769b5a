// SPDX-License-Identifier: Apache-2.0
//
// /proc/net/tcp and udp. No input may crash it; a socket comes from a line of its own.
#include "wire/proc_net_sockets.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    if (rk::wire::waiting_tcp(text).size() + rk::wire::waiting_udp(text).size() > lines) {
        __builtin_trap();
    }
    return 0;
}
