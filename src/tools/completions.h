// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace rk::tools {

enum class Shell { kBash, kZsh, kFish };

/// The completion script for one of our programs ("rootlesskit", "rootlessctl",
/// "rootlesskit-docker-proxy"), made from its table of flags. The files in completions/ are these;
/// a unit test compares them.
[[nodiscard]] std::string render_completion(Shell shell, std::string_view program);

}  // namespace rk::tools
