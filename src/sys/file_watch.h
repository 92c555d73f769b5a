// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <string>

namespace rk::sys {

/// Tells when a file may have changed (inotify(7)): its contents, or what its name leads to. A
/// symlink is followed. Both the file and the directories that hold its name and its target are
/// watched, since editors and resolvconf replace files rather than write them.
class FileWatch {
 public:
    [[nodiscard]] static Result<FileWatch> open(const std::string& path);

    /// Readable when there is something to take().
    [[nodiscard]] FdRef fd() const { return inotify_; }
    /// Clears what was reported, and looks again at where the name leads to. The caller then reads
    /// the file; it need not have changed.
    void take();

 private:
    FileWatch(Fd inotify, std::string path);
    void watch();

    Fd inotify_;
    std::string path_;
};

}  // namespace rk::sys
