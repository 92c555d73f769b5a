// SPDX-License-Identifier: Apache-2.0
#include "sys/directory.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rk::sys {

std::optional<std::string> read_link_at(FdRef directory, const std::string& name) {
    std::array<char, 4096> target{};  // PATH_MAX
    const ssize_t length =
        ::readlinkat(directory.number(), name.c_str(), target.data(), target.size());
    if (length < 0) {
        return std::nullopt;
    }
    return std::string(target.data(), static_cast<std::size_t>(length));
}

Result<void> make_symlink_at(FdRef directory, const std::string& name, const std::string& text) {
    if (::symlinkat(text.c_str(), directory.number(), name.c_str()) < 0) {
        return fail(errno_error(errno, "symlink " + name));
    }
    return {};
}

Result<void> make_directory_at(FdRef directory, const std::string& name, mode_t mode) {
    if (::mkdirat(directory.number(), name.c_str(), mode) < 0) {
        return fail(errno_error(errno, "mkdir " + name));
    }
    if (::fchmodat(directory.number(), name.c_str(), mode, 0) < 0) {
        return fail(errno_error(errno, "chmod " + name));
    }
    return {};
}

Result<void> remove_entry_at(FdRef directory, const std::string& name) {
    if (::unlinkat(directory.number(), name.c_str(), 0) == 0) {
        return {};
    }
    if (errno == EISDIR && ::unlinkat(directory.number(), name.c_str(), AT_REMOVEDIR) == 0) {
        return {};
    }
    return fail(errno_error(errno, "remove " + name));
}

bool has_no_entry_but(FdRef directory, std::string_view name) {
    // NOLINTNEXTLINE(*-member-init): filled by the kernel
    alignas(dirent64) std::array<char, 4096> entries;
    ::lseek(directory.number(), 0, SEEK_SET);
    for (;;) {
        const ssize_t got = ::getdents64(directory.number(), entries.data(), entries.size());
        if (got <= 0) {
            return got == 0;
        }
        for (ssize_t offset = 0; offset < got;) {
            // NOLINTNEXTLINE(*-reinterpret-cast): getdents64(2) packs records of this type
            const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + offset);
            const std::string_view entry_name = entry->d_name;
            if (entry_name != "." && entry_name != ".." && entry_name != name) {
                return false;
            }
            offset += entry->d_reclen;
        }
    }
}

Result<std::string> resolve_path(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr),
                                                          ::free);
    if (resolved == nullptr) {
        return fail(errno_error(errno, "resolve " + path));
    }
    return std::string(resolved.get());
}

}  // namespace rk::sys
