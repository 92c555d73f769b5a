// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace rk::wire {

/// Families of distributions that differ in how packages are installed and how newuidmap(1) gets
/// its privilege.
enum class Distribution { kOther, kDebian, kUbuntu, kFedora, kRhel, kOpensuse, kArch, kAlpine };

/// The family an os-release(5) text names: by ID, else by the first known word of ID_LIKE.
[[nodiscard]] Distribution parse_os_release(std::string_view text);

}  // namespace rk::wire
