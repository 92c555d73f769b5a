// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

/// One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), octal escapes decoded.
struct MountInfo {
    std::uint32_t id = 0;
    std::uint32_t parent = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::string root;         // the directory of the filesystem that is mounted, or "net:[1234]"
    std::string mount_point;  // as seen from the reader's root
    std::string options;      // of this mount
    std::vector<std::string> optional_fields;  // "shared:1", "master:2", "unbindable"
    std::string type;
    std::string source;         // may be empty
    std::string super_options;  // of the filesystem

    /// Whether mounts made here appear in other places too (mount_namespaces(7)).
    [[nodiscard]] bool shared() const;
};

/// One line without its newline. Error: "malformed mountinfo line LINE".
[[nodiscard]] Result<MountInfo> parse_mountinfo_line(std::string_view line);

/// The mounts of a whole file in its order (a mount made later, so the visible one of several on
/// one path, stands further down), and the lines that could not be understood, for a warning.
struct MountTable {
    std::vector<MountInfo> mounts;
    std::vector<std::string> malformed;
};
[[nodiscard]] MountTable parse_mountinfo(std::string_view text);

}  // namespace rk::wire
