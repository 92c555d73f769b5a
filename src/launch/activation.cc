// SPDX-License-Identifier: Apache-2.0
#include "launch/activation.h"

#include "base/text.h"

namespace rk::launch {

namespace {
constexpr std::uint64_t kMaxDescriptors = 1U << 20U;  // fs.nr_open's default; more cannot be open
}  // namespace

bool is_socket_activated(const sys::Environment& environment, pid_t self) {
    const auto pid = parse_decimal(environment.get("LISTEN_PID").value_or(""));
    const auto count = parse_decimal(environment.get("LISTEN_FDS").value_or(""), kMaxDescriptors);
    return pid && *pid == static_cast<std::uint64_t>(self) && count && *count > 0;
}

}  // namespace rk::launch
