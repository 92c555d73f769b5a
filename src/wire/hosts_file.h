// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace rk::wire {

/// A hosts(5) file with lines added that give `hostname` the addresses 127.0.0.1 and ::1, each
/// unless it is there already. A name that is empty or could not stand in such a line adds nothing.
[[nodiscard]] std::string hosts_with_own_name(std::string_view hosts, std::string_view hostname);

}  // namespace rk::wire
