// SPDX-License-Identifier: Apache-2.0
#include "wire/mountinfo.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto table = rk::wire::parse_mountinfo(text);
    for (const auto& mount : table.mounts) {
        if (mount.root.empty() || mount.mount_point.empty() || mount.type.empty() ||
            mount.mount_point.size() > size) {
            std::abort();
        }
        static_cast<void>(mount.shared());
    }
    return 0;
}
