// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "ns/held_tree.h"

#include <string>
#include <vector>

namespace rk::ns {

/// Makes each directory writable without copying data (--copy-up-mode=tmpfs+symlink): a tmpfs with
/// the directory's mode covers it, in which every entry is a symlink `.roN/NAME` to the original
/// entry, or, where the original is a symlink, the same symlink. Paths are taken in order; a later
/// one may be the same as an earlier one, below it or above it.
///
/// Refused: "/", "/tmp" and "/proc". After an error the mount namespace is half made, and the
/// process has to end; nothing outside the namespace was touched.
[[nodiscard]] Result<void> copy_up(const std::vector<std::string>& directories,
                                   const Logger& logger, TreeApi api = TreeApi::kAuto);

}  // namespace rk::ns
