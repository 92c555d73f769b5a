// SPDX-License-Identifier: Apache-2.0
#include "wire/cgroup_file.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

// Up to the first NUL the input is a mount's root, the rest the file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    const std::string_view text = end == std::string_view::npos ? input : input.substr(end + 1);
    rk::wire::MountInfo mount;
    mount.root = end == std::string_view::npos ? "/" : std::string(input.substr(0, end));
    mount.mount_point = "/sys/fs/cgroup";
    const auto group = rk::wire::cgroup2_group(text);
    if (group) {
        const auto directory = rk::wire::cgroup_directory(mount, *group);
        if (directory && directory->rfind(mount.mount_point, 0) != 0) {
            std::abort();
        }
    }
    for (const auto& name : rk::wire::cgroup_controllers(text)) {
        if (name.empty()) {
            std::abort();
        }
    }
    return 0;
}
