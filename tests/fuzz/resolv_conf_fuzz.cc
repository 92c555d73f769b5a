// SPDX-License-Identifier: Apache-2.0
#include "wire/hosts_file.h"
#include "wire/resolv_conf.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // What was written is read again as the same.
    const auto config = rk::wire::parse_resolv_conf(text);
    if (rk::wire::parse_resolv_conf(rk::wire::format_resolv_conf(config)) != config) {
        std::abort();
    }
    // The second time there is nothing to add. A file with a NUL has lines, too.
    const std::string hosts = rk::wire::hosts_with_own_name(text, "box");
    if (rk::wire::hosts_with_own_name(hosts, "box") != hosts) {
        std::abort();
    }
    return 0;
}
