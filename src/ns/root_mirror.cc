// SPDX-License-Identifier: Apache-2.0
#include "ns/root_mirror.h"

#include "base/text.h"
#include "sys/directory.h"
#include "sys/file.h"

#include <string_view>
#include <vector>

#include <fcntl.h>

namespace rk::ns {

namespace {

// Links per directory on the way. Beside a directory in a crowded one (/tmp) there may be very many
// entries, and each costs an inode of memory; that a relative link leads to a late one is unlikely.
constexpr std::size_t kMaxSiblings = 4096;

/// Links to the entries of `parent` ("" is the root), all but `except`. A directory that cannot be
/// listed is passed over: nothing in the original worked through it by listing, and links into it
/// are rare.
Result<void> link_siblings(sys::FdRef mirror, const std::string& parent, std::string_view except,
                           const Logger& logger) {
    const std::string shown = parent.empty() ? "/" : parent;
    const auto names = sys::list_directory(shown);
    if (!names) {
        logger.debug("copy-up: links to entries of {} are left out: {}", shown,
                     names.error().message);
        return {};
    }
    std::size_t made = 0;
    for (const std::string& name : *names) {
        if (name == except) {
            continue;
        }
        if (made++ == kMaxSiblings) {
            logger.debug("copy-up: links to entries of {} past the first {} are left out", shown,
                         kMaxSiblings);
            break;
        }
        TRY(sys::make_symlink_at(mirror, name, fmt::format("{}/{}", parent, name)));
    }
    return {};
}

}  // namespace

Result<void> make_root_mirror(sys::FdRef top, const std::string& name, const std::string& path,
                              const Logger& logger) {
    constexpr mode_t kMode = 0755;  // other users of the namespace walk through it too
    TRY(sys::make_directory_at(top, name, kMode));
    sys::Fd directory = TRY(sys::open_at(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    std::string parent;
    for (const std::string_view part : split(std::string_view(path).substr(1), '/')) {
        const std::string component(part);
        TRY(link_siblings(directory, parent, component, logger));
        TRY(sys::make_directory_at(directory, component, kMode));
        directory = TRY(sys::open_at(directory, component, O_PATH | O_DIRECTORY | O_NOFOLLOW));
        parent += "/" + component;
    }
    return {};
}

}  // namespace rk::ns
