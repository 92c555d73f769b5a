// SPDX-License-Identifier: Apache-2.0
//
// Names that the outside world reads, and the one internal variable.
#pragma once

namespace rk::launch {

inline constexpr const char* kStateDirVariable = "ROOTLESSKIT_STATE_DIR";
inline constexpr const char* kParentEuidVariable = "ROOTLESSKIT_PARENT_EUID";
inline constexpr const char* kParentEgidVariable = "ROOTLESSKIT_PARENT_EGID";

/// Holds the number of the child's end of the channel; makes a started program act as the child.
/// Never reaches the command.
inline constexpr const char* kChildVariable = "_ROOTLESSKIT_CHILD";

/// What the child is started as; users see it in ps as the original's.
inline constexpr const char* kSelf = "/proc/self/exe";

}  // namespace rk::launch
