// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>

namespace rk::ns {

/// How a mount tree is held while something else is mounted over it.
enum class TreeApi {
    kAuto,      // open_tree(2), or bind mounts where the kernel or a sandbox lacks it
    kBindOnly,  // bind mounts; for tests of the fallback
};

/// The mounts at and below a directory, held without a place in the file tree, so that they can be
/// shown elsewhere once something else covers the directory. No scratch directory is involved,
/// hence nothing that a clean-up could ever delete through.
class HeldTree {
 public:
    /// Takes hold of what an open directory (O_PATH will do) shows now. Call it before covering the
    /// directory.
    [[nodiscard]] static Result<HeldTree> take(sys::Fd directory, TreeApi api);

    /// Shows the tree at `target`, an existing directory. Call it once.
    [[nodiscard]] Result<void> attach(const std::string& target) const;

 private:
    HeldTree(sys::Fd directory, sys::Fd clone)
        : directory_(std::move(directory)), clone_(std::move(clone)) {}

    [[nodiscard]] Result<void> bind_to(const std::string& target) const;
    [[nodiscard]] bool shown_at(const std::string& target) const;

    sys::Fd directory_;
    sys::Fd clone_;  // empty where open_tree is not to be had
};

}  // namespace rk::ns
