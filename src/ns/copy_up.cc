// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation. After the copy-up of /etc, with N a few random digits:
//
//     /etc                    tmpfs, mode of the original
//     /etc/ssl             -> .roN/ssl         every entry that is no symlink
//     /etc/localtime       -> ...              every symlink, with its own text
//     /etc/.roN            -> .roN.root/etc
//     /etc/.roN.root/etc      the original directory with all its mounts
//     /etc/.roN.root/usr   -> /usr             and so on, for every entry of / but etc
//
// Clients know the text `.roN/NAME` and the tmpfs; the rest is ours. The mirror of / around the
// original is there because ".." of a real directory goes by its place in the mount tree: from
// /etc/ssl/certs (really /etc/.roN.root/etc/ssl/certs) the link text ../../usr/share must lead
// where it led before. Mounting the original on .roN itself would put it one level deeper than it
// was.
//
// The original is held by HeldTree while the tmpfs covers its path, so there is no scratch
// directory, no path of the host is ever written to, and nothing is ever deleted but single entries
// of the new tmpfs itself.
//
// A directory below an earlier one resolves into that one's mirror (/run/user becomes
// /run/.roN.root/run/user). Its own mirror is made for the path people know, logical_path(), which
// keeps real paths short: UNIX sockets live below, and their paths end at 107 bytes.
#include "ns/copy_up.h"

#include "ns/root_mirror.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/mount_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ranges>
#include <string_view>

#include <fcntl.h>
#include <sys/random.h>

namespace rk::ns {

namespace {

/// The names of one copied-up directory's machinery.
struct HolderNames {
    std::string link;    // ".roN"
    std::string mirror;  // ".roN.root"
};

/// Names that no entry has. Five digits: long enough to collide with nothing by chance, short
/// enough for socket paths.
HolderNames choose_names(const std::vector<std::string>& entries) {
    constexpr std::uint32_t kFirst = 10000;
    constexpr std::uint32_t kCount = 90000;
    std::uint32_t seed = 0;
    if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0) {
        seed = 0;  // no entropy yet: N need not be random, only free
    }
    const auto taken = [&entries](const std::string& name) {
        return std::find(entries.begin(), entries.end(), name) != entries.end();
    };
    for (std::uint32_t offset = seed % kCount;; offset = (offset + 1) % kCount) {
        HolderNames names;
        names.link = fmt::format(".ro{}", kFirst + offset);
        names.mirror = names.link + ".root";
        if (!taken(names.link) && !taken(names.mirror)) {
            return names;
        }
    }
}

/// An empty tmpfs is briefly visible, and somebody may fill in what is missing: mount programs make
/// /etc/mtab. What the original has wins.
Result<void> make_link(sys::FdRef top, const std::string& name, const std::string& text) {
    auto made = sys::make_symlink_at(top, name, text);
    if (!made && made.error().code == EEXIST) {
        TRY(sys::remove_entry_at(top, name));
        made = sys::make_symlink_at(top, name, text);
    }
    return made;
}

Result<void> link_entries(sys::FdRef top, sys::FdRef original,
                          const std::vector<std::string>& entries, const std::string& holder) {
    for (const std::string& name : entries) {
        const auto text = sys::read_link_at(original, name);
        TRY(make_link(top, name, text ? *text : fmt::format("{}/{}", holder, name)));
    }
    return {};
}

bool starts_with_path(std::string_view path, std::string_view start) {
    return path.substr(0, start.size()) == start &&
           (path.size() == start.size() || path[start.size()] == '/');
}

/// An original directory before it is covered.
struct Original {
    std::string path;  // resolved
    sys::Fd directory;
    mode_t mode = 0;
    dev_t device = 0;
    std::vector<std::string> entries;
};

Result<Original> open_original(const std::string& given) {
    Original original;
    original.path = TRY(sys::resolve_path(given));
    original.directory = TRY(sys::open_file(original.path, O_RDONLY | O_DIRECTORY));
    struct stat status {};
    if (::fstat(original.directory.number(), &status) < 0) {
        return fail(errno_error(errno, "stat " + given));
    }
    original.mode = status.st_mode & 07777U;
    original.device = status.st_dev;
    original.entries = TRY(sys::list_directory(original.directory, given));
    return original;
}

/// Covers the original by a tmpfs and opens that.
Result<sys::Fd> mount_top(const Original& original) {
    TRY(sys::mount({.source = "none",
                    .target = original.path,
                    .type = "tmpfs",
                    .data = fmt::format("mode=0{:o}", original.mode)}));
    sys::Fd top = TRY(sys::open_file(original.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    struct stat status {};
    // Everything below writes through this descriptor: better certain than sorry.
    if (::fstat(top.number(), &status) < 0 || status.st_dev == original.device) {
        return fail("the new tmpfs is not what {} shows", original.path);
    }
    return top;
}

class CopyUp {
 public:
    CopyUp(const Logger& logger, TreeApi api) : logger_(logger), api_(api) {}

    Result<void> add(const std::string& directory);

 private:
    /// One directory done: `inner` is the resolved path of the original under its new name.
    struct Done {
        std::string path;
        std::string inner;
    };

    Result<void> cover(Original original, const std::string& path);
    [[nodiscard]] std::string logical_path(std::string path) const;

    const Logger& logger_;
    TreeApi api_;
    std::vector<Done> done_;
};

std::string CopyUp::logical_path(std::string path) const {
    // From the newest on: one directory's new place may lie in an earlier one's.
    for (const auto& done : std::ranges::reverse_view(done_)) {
        if (starts_with_path(path, done.inner)) {
            path.replace(0, done.inner.size(), done.path);
        }
    }
    return path;
}

Result<void> CopyUp::add(const std::string& directory) {
    const std::string cleaned = sys::clean_path(directory);
    if (cleaned == "/tmp") {
        return fail("/tmp cannot be copied up");
    }
    // No bind mount is made, but these are the words users' scripts and guides know.
    auto opened = open_original(cleaned);
    if (!opened) {
        return fail(errno_error(opened.error().code,
                                fmt::format("failed to create bind mount on {}", cleaned)));
    }
    const std::string path = logical_path(opened->path);
    // Of / nothing would be left to link to. The entries of /proc are processes: a picture of them
    // is wrong at once, and /proc/self would be one certain process for everybody.
    if (path == "/" || path == "/proc") {
        return fail("{} cannot be copied up", path);
    }
    const bool again = std::any_of(done_.begin(), done_.end(),
                                   [&path](const Done& done) { return done.path == path; });
    if (again) {
        logger_.debug("copy-up: {} is copied up already", cleaned);
        return {};
    }
    TRY_CTX(cover(std::move(*opened), path), "failed to copy up {}", cleaned);
    return {};
}

Result<void> CopyUp::cover(Original original, const std::string& path) {
    const HolderNames names = choose_names(original.entries);
    // A second descriptor: the tree is attached by the first, the links are read through this one.
    const sys::Fd reader = TRY(sys::open_at(original.directory, ".", O_RDONLY | O_DIRECTORY));
    const HeldTree tree = TRY(HeldTree::take(std::move(original.directory), api_));
    const sys::Fd top = TRY(mount_top(original));
    TRY(make_root_mirror(top, names.mirror, path, logger_));
    const std::string inner = names.mirror + path;
    TRY(tree.attach(original.path + "/" + inner));
    TRY(make_link(top, names.link, inner));
    TRY(link_entries(top, reader, original.entries, names.link));
    done_.push_back({.path = path, .inner = original.path + "/" + inner});
    return {};
}

}  // namespace

Result<void> copy_up(const std::vector<std::string>& directories, const Logger& logger,
                     TreeApi api) {
    CopyUp work(logger, api);
    for (const std::string& directory : directories) {
        TRY(work.add(directory));
    }
    return {};
}

}  // namespace rk::ns
