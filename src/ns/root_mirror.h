// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "sys/fd.h"

#include <string>

namespace rk::ns {

/// Builds in `top` the directory NAME, a small mirror of "/" in which `path` (absolute, resolved,
/// not
/// "/") is an empty real directory and everything beside the way to it a symlink to the real thing:
/// for /var/lib, NAME has `usr -> /usr` and so on, NAME/var has `cache -> /var/cache` and so on,
/// and NAME/var/lib is empty. What is then mounted there finds the file tree it knows when it
/// follows
/// "..". The mirror is a picture of this moment: what appears later beside the way is not in it.
[[nodiscard]] Result<void> make_root_mirror(sys::FdRef top, const std::string& name,
                                            const std::string& path, const Logger& logger);

}  // namespace rk::ns
