// SPDX-License-Identifier: Apache-2.0
#include "wire/cgroup_file.h"

#include "base/text.h"

namespace rk::wire {

namespace {

bool starts_with(std::string_view text, std::string_view start) {
    return text.substr(0, start.size()) == start;
}

bool leaves_namespace(std::string_view path) {
    return path == "/.." || starts_with(path, "/../");
}

}  // namespace

std::optional<std::string> cgroup2_group(std::string_view text) {
    constexpr std::string_view kHierarchy = "0::";
    for (const std::string_view line : split(text, '\n')) {
        if (!starts_with(line, kHierarchy)) {
            continue;
        }
        const std::string_view group = line.substr(kHierarchy.size());
        if (group.empty() || group.front() != '/') {
            return std::nullopt;
        }
        return std::string(group);
    }
    return std::nullopt;
}

std::optional<std::string> cgroup_directory(const MountInfo& mount, std::string_view group) {
    if (leaves_namespace(group) || leaves_namespace(mount.root)) {
        return std::nullopt;
    }
    if (mount.root != "/") {
        if (!starts_with(group, mount.root)) {
            return std::nullopt;
        }
        group.remove_prefix(mount.root.size());
        if (!group.empty() && group.front() != '/') {
            return std::nullopt;  // "/ab" is not below "/a"
        }
    }
    if (group == "/" || group.empty()) {
        return mount.mount_point;
    }
    const std::string base = mount.mount_point == "/" ? "" : mount.mount_point;
    return base + std::string(group);
}

std::vector<std::string> cgroup_controllers(std::string_view text) {
    std::vector<std::string> names;
    for (const std::string_view name : split_blanks(text)) {
        names.emplace_back(name);
    }
    return names;
}

}  // namespace rk::wire
