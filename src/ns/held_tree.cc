// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation. open_tree(OPEN_TREE_CLONE | AT_RECURSIVE) makes a detached copy of the
// mounts that move_mount attaches later; that is all. Where these calls are missing (before
// Linux 5.2, or filtered), the descriptor of the directory itself is the hold: it stays on the
// mount it was opened on, whatever is mounted over the path, and /proc/self/fd/N is a source for a
// recursive bind mount.
//
// The fallback has one surprise: a mount over the very directory hangs, for the kernel, *below* the
// directory's dentry, so a recursive bind made after it copies it too, on top of the tree we want.
// bind_to() takes that copy off again. shown_at() compares device and inode, so neither way can end
// with the wrong directory unnoticed.
#include "ns/held_tree.h"

#include "sys/file.h"
#include "sys/mount_calls.h"

#include <sys/mount.h>

namespace rk::ns {

Result<HeldTree> HeldTree::take(sys::Fd directory, TreeApi api) {
    sys::Fd clone;
    if (api == TreeApi::kAuto) {
        auto cloned = sys::clone_mount_tree(directory);
        if (cloned) {
            clone = std::move(*cloned);
        } else if (!sys::lacks_mount_tree_calls(cloned.error())) {
            return fail(std::move(cloned).error());
        }
    }
    return HeldTree(std::move(directory), std::move(clone));
}

Result<void> HeldTree::attach(const std::string& target) const {
    bool attached = false;
    if (clone_.valid()) {
        auto moved = sys::attach_mount_tree(clone_, target);
        attached = moved.has_value();
        if (!attached && !sys::lacks_mount_tree_calls(moved.error())) {
            return moved;
        }
    }
    if (!attached) {
        TRY(bind_to(target));
    }
    if (!shown_at(target)) {
        return fail("mount tree on {}: another directory is shown there", target);
    }
    return {};
}

Result<void> HeldTree::bind_to(const std::string& target) const {
    TRY(sys::mount({.source = fmt::format("/proc/self/fd/{}", directory_.number()),
                    .target = target,
                    .flags = MS_BIND | MS_REC}));
    if (!shown_at(target)) {
        TRY(sys::unmount(target, MNT_DETACH));
    }
    return {};
}

bool HeldTree::shown_at(const std::string& target) const {
    struct stat held {};
    const auto shown = sys::stat_path(target);
    return ::fstat(directory_.number(), &held) == 0 && shown && held.st_dev == shown->st_dev &&
           held.st_ino == shown->st_ino;
}

}  // namespace rk::ns
