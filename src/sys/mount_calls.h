// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>

namespace rk::sys {

// Not called mount.h: with -I src, <sys/mount.h> would find this file instead of the system header.

/// The arguments of mount(2). Empty texts stand for its null pointers, but for `source`.
struct MountRequest {
    std::string source = "none";
    std::string target{};
    std::string type{};
    unsigned long flags = 0;
    std::string data{};
};

/// mount(2). Error: "mount SOURCE on TARGET: why".
[[nodiscard]] Result<void> mount(const MountRequest& request);

/// umount2(2). Error: "unmount TARGET: why".
[[nodiscard]] Result<void> unmount(const std::string& target, int flags);

/// A private copy of the mounts at and below an open directory (O_PATH will do), attached nowhere:
/// open_tree(OPEN_TREE_CLONE | AT_RECURSIVE), Linux 5.2. It vanishes with its descriptor unless it
/// is attached.
[[nodiscard]] Result<Fd> clone_mount_tree(FdRef directory);

/// Mounts such a copy on an existing directory: move_mount(2). Error: "move mount to TARGET: why".
[[nodiscard]] Result<void> attach_mount_tree(FdRef tree, const std::string& target);

/// Whether an error of the two calls above means "no such call here" rather than "not this tree":
/// old kernels say ENOSYS, and so do new sandboxes' filters; older filters say EPERM.
[[nodiscard]] bool lacks_mount_tree_calls(const Error& error);

}  // namespace rk::sys
