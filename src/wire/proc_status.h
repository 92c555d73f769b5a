// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rk::wire {

/// The lines of /proc/PID/status (proc(5)) that say what a process may do. A line that is missing
/// or unreadable leaves its value empty: older kernels lack some.
struct ProcStatus {
    std::optional<bool> no_new_privs;
    std::optional<std::uint32_t> seccomp_mode;  // 0 none, 1 strict, 2 filter
    std::optional<std::uint64_t> effective_capabilities;
    std::optional<std::uint64_t> bounding_capabilities;
};

[[nodiscard]] ProcStatus parse_proc_status(std::string_view text);

/// Whether a capability (CAP_SYS_ADMIN, ...) is in a set as the kernel prints it.
[[nodiscard]] constexpr bool has_capability(std::uint64_t set, unsigned capability) {
    return capability < 64 && ((set >> capability) & 1U) != 0;
}

}  // namespace rk::wire
