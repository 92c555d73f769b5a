// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace rk::tools {

/// What the command line knows and validates but nobody has built yet. Who builds it deletes its
/// line.
inline constexpr auto kNotBuilt = std::to_array<std::string_view>({
    "--net=vpnkit",
});

/// Refuses a flag, or a flag with a value, that is in the table.
[[nodiscard]] inline Result<void> check_built(std::string_view what) {
    if (std::find(kNotBuilt.begin(), kNotBuilt.end(), what) != kNotBuilt.end()) {
        return fail("{} is not built yet", what);
    }
    return {};
}

}  // namespace rk::tools
