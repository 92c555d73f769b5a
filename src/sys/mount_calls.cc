// SPDX-License-Identifier: Apache-2.0
#include "sys/mount_calls.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

// Kernel constants that <sys/mount.h> has only since glibc 2.36; <linux/mount.h> and
// <linux/fcntl.h> cannot be included beside it there.
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

namespace rk::sys {

namespace {

const char* text_or_null(const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
}

}  // namespace

Result<void> mount(const MountRequest& request) {
    if (::mount(request.source.c_str(), request.target.c_str(), text_or_null(request.type),
                request.flags, text_or_null(request.data)) < 0) {
        return fail(
            errno_error(errno, fmt::format("mount {} on {}", request.source, request.target)));
    }
    return {};
}

Result<void> unmount(const std::string& target, int flags) {
    if (::umount2(target.c_str(), flags) < 0) {
        return fail(errno_error(errno, "unmount " + target));
    }
    return {};
}

// Both calls go through syscall(2): glibc has wrappers only since 2.36.

Result<Fd> clone_mount_tree(FdRef directory) {
    constexpr unsigned kFlags =
        AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | static_cast<unsigned>(O_CLOEXEC);
    const long fd = ::syscall(SYS_open_tree, directory.number(), "", kFlags);
    if (fd < 0) {
        return fail(errno_error(errno, "clone mount tree"));
    }
    return Fd(static_cast<int>(fd));
}

Result<void> attach_mount_tree(FdRef tree, const std::string& target) {
    if (::syscall(SYS_move_mount, tree.number(), "", AT_FDCWD, target.c_str(),
                  MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        return fail(errno_error(errno, "move mount to " + target));
    }
    return {};
}

bool lacks_mount_tree_calls(const Error& error) {
    return error.code == ENOSYS || error.code == EPERM;
}

}  // namespace rk::sys
