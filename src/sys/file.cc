// SPDX-License-Identifier: Apache-2.0
#include "sys/file.h"

#include "base/text.h"

#include <array>
#include <cerrno>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace rk::sys {

Result<Fd> open_file(const std::string& path, int flags, mode_t mode) {
    return open_at(FdRef(AT_FDCWD), path, flags, mode);
}

Result<Fd> open_at(FdRef directory, const std::string& name, int flags, mode_t mode) {
    const int fd = ::openat(directory.number(), name.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) {
        return fail(errno_error(errno, "open " + name));
    }
    return Fd(fd);
}

Result<std::string> read_all(FdRef fd, std::string_view name, std::size_t limit) {
    std::string text;
    std::array<char, 16384> chunk{};
    for (;;) {
        const ssize_t got = ::read(fd.number(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(errno_error(errno, fmt::format("read {}", name)));
        }
        if (got == 0) {
            return text;
        }
        text.append(chunk.data(), static_cast<std::size_t>(got));
        if (text.size() > limit) {
            return fail(errno_error(EFBIG, fmt::format("read {}", name)));
        }
    }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    const Fd fd = TRY(open_file(path, O_RDONLY));
    return read_all(fd, path, limit);
}

namespace {

Result<void> write_whole(FdRef fd, std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd.number(), text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return fail(errno_error(errno, fmt::format("write {}", name)));
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

}  // namespace

Result<void> write_existing(const std::string& path, std::string_view text) {
    const Fd fd = TRY(open_file(path, O_WRONLY));
    return write_whole(fd, text, path);
}

Result<void> write_file_at(FdRef directory, const std::string& name, std::string_view text,
                           mode_t mode) {
    const Fd fd = TRY(open_at(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    return write_whole(fd, text, name);
}

Result<void> replace_file_at(FdRef directory, const std::string& name, std::string_view text,
                             mode_t mode) {
    const std::string temporary = "." + name + ".new";
    ::unlinkat(directory.number(), temporary.c_str(), 0);
    const Fd fd =
        TRY(open_at(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(write_whole(fd, text, temporary));
    if (::fchmod(fd.number(), mode) < 0) {
        return fail(errno_error(errno, "chmod " + temporary));
    }
    if (::renameat(directory.number(), temporary.c_str(), directory.number(), name.c_str()) < 0) {
        return fail(errno_error(errno, fmt::format("rename {} to {}", temporary, name)));
    }
    return {};
}

std::optional<struct stat> stat_path(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) {
        return std::nullopt;
    }
    return status;
}

std::optional<struct stat> lstat_path(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) < 0) {
        return std::nullopt;
    }
    return status;
}

Result<void> make_directories(const std::string& path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string prefix = path.substr(0, end);
        if (::mkdir(prefix.c_str(), 0755) < 0 && errno != EEXIST) {
            const int code = errno;
            const auto status = stat_path(prefix);
            if (!status || !S_ISDIR(status->st_mode)) {  // e.g. EROFS on an existing parent
                return fail(errno_error(code, "mkdir " + prefix));
            }
        }
        if (end == std::string::npos) {
            break;
        }
    }
    const auto status = stat_path(path);
    if (!status || !S_ISDIR(status->st_mode)) {
        return fail(errno_error(ENOTDIR, "mkdir " + path));
    }
    return {};
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
    const Fd fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
    return list_directory(fd, path);
}

Result<std::vector<std::string>> list_directory(FdRef directory, std::string_view name) {
    // A description of its own, so that neither its offset nor closedir touches the caller's.
    Fd own = TRY_CTX(open_at(directory, ".", O_RDONLY | O_DIRECTORY), "read directory {}", name);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.number()), ::closedir);
    if (stream == nullptr) {
        return fail(errno_error(errno, fmt::format("read directory {}", name)));
    }
    static_cast<void>(own.release());  // closedir closes it
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) {
            if (errno != 0) {
                return fail(errno_error(errno, fmt::format("read directory {}", name)));
            }
            return names;
        }
        const std::string_view entry_name = entry->d_name;
        if (entry_name != "." && entry_name != "..") {
            names.emplace_back(entry_name);
        }
    }
}

std::optional<std::string> read_link(const std::string& path) {
    std::array<char, 4096> target{};  // PATH_MAX
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) {
        return std::nullopt;
    }
    return std::string(target.data(), static_cast<std::size_t>(length));
}

std::string clean_path(std::string_view path) {
    const bool rooted = !path.empty() && path.front() == '/';
    std::vector<std::string> parts;
    for (const std::string_view part : split(path, '/')) {
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == ".." && !parts.empty() && parts.back() != "..") {
            parts.pop_back();
        } else if (part != ".." || !rooted) {
            parts.emplace_back(part);
        }
    }
    const std::string joined = join(parts, "/");
    if (rooted) {
        return "/" + joined;
    }
    return joined.empty() ? "." : joined;
}

Result<std::string> absolute_path(std::string_view path) {
    if (!path.empty() && path.front() == '/') {
        return clean_path(path);
    }
    const std::unique_ptr<char, void (*)(void*)> cwd(::getcwd(nullptr, 0), ::free);
    if (cwd == nullptr) {
        return fail(errno_error(errno, "getwd"));
    }
    return clean_path(fmt::format("{}/{}", cwd.get(), path));
}

}  // namespace rk::sys
