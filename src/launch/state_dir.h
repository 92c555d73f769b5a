// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A state directory is ours from the moment we hold flock(LOCK_EX) on its file `lock` until after
// its removal; in between nobody else can use, empty or remove it. A directory that already holds
// something is only taken if it carries our mark, a `lock` file (ours or the original's, left by a
// crash or by a run in which the user kept files there); anything else is refused untouched,
// because
// `--state-dir=$HOME` must not cost a home. At start the known leftovers of a crash are removed and
// nothing else; at the end our files go, and the directory goes if that leaves it empty. If the
// user's own files are still there, the directory stays with `lock` as the mark.
//
// Removing the last of it races with another start: `lock` is unlinked while it is still held, so
// the other side either finds it locked, or opens a new file, or gets the lock of an unlinked file
// and notices that the name no longer leads to it; then it tries again.
//
// A shared flock on the directory itself keeps systemd-tmpfiles from ageing it away.
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace rk::launch {

class StateDir {
 public:
    /// Makes rootlesskit<digits> (0700) below $TMPDIR or /tmp and locks it.
    [[nodiscard]] static Result<StateDir> create_temporary(std::string_view tmpdir);
    /// Takes the given directory (absolute, cleaned), making it (0755 & umask) where it is missing.
    [[nodiscard]] static Result<StateDir> take(const std::string& path);

    StateDir(const StateDir&) = delete;
    StateDir& operator=(const StateDir&) = delete;
    StateDir(StateDir&& other) noexcept;
    StateDir& operator=(StateDir&&) = delete;
    /// Removes what is ours, then unlocks.
    ~StateDir();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] sys::FdRef fd() const { return directory_; }
    [[nodiscard]] std::string file(std::string_view name) const;
    /// Whether a run before this one was killed here and may still be dying.
    [[nodiscard]] bool recovered() const { return recovered_; }
    /// Empty unless the shared lock on the directory could not be had; then a warning to print.
    [[nodiscard]] const std::string& lock_warning() const { return lock_warning_; }

    /// Writes `child_pid` (0444, decimal, no newline) in one step.
    [[nodiscard]] Result<void> write_child_pid(pid_t pid) const;
    /// Makes an empty file with that mode for a bind mount.
    [[nodiscard]] Result<void> create_mount_point(const std::string& name, mode_t mode) const;

 private:
    StateDir(std::string path, sys::Fd directory, sys::Fd lock, bool recovered);
    void hold_directory();
    void remove() const;

    std::string path_;
    sys::Fd directory_;
    sys::Fd lock_;
    bool recovered_;
    std::string lock_warning_;
};

}  // namespace rk::launch
