// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace rk::launch {

/// How a process of ours is shut in, as the kernel says it at this moment, not as it was meant:
/// seccomp, capabilities, noNewPrivileges, mounts. What cannot be read is "unknown: why".
[[nodiscard]] std::map<std::string, std::string> sandbox_facts(pid_t pid);

/// The same from the texts of /proc/PID/status and /proc/PID/mountinfo.
[[nodiscard]] std::map<std::string, std::string> describe_sandbox(std::string_view status,
                                                                  std::string_view mountinfo);

}  // namespace rk::launch
