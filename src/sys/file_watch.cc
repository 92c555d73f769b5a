// SPDX-License-Identifier: Apache-2.0
#include "sys/file_watch.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include <sys/inotify.h>
#include <unistd.h>

namespace rk::sys {

namespace {

constexpr std::uint32_t kInFile = IN_CLOSE_WRITE | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kInDirectory =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR;

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string target_of(const std::string& path) {
    std::array<char, PATH_MAX> resolved{};
    return ::realpath(path.c_str(), resolved.data()) != nullptr ? resolved.data() : "";
}

}  // namespace

Result<FileWatch> FileWatch::open(const std::string& path) {
    Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify.valid()) {
        return fail(errno_error(errno, fmt::format("watch {}", path)));
    }
    return FileWatch(std::move(inotify), path);
}

FileWatch::FileWatch(Fd inotify, std::string path)
    : inotify_(std::move(inotify)), path_(std::move(path)) {
    watch();
}

// Adding what is watched already changes nothing. What is not there is seen by its directory.
void FileWatch::watch() {
    const auto add = [this](const std::string& what, std::uint32_t events) {
        static_cast<void>(::inotify_add_watch(inotify_.number(), what.c_str(), events));
    };
    add(path_, kInFile);
    add(directory_of(path_), kInDirectory);
    if (const std::string target = target_of(path_); !target.empty()) {
        add(directory_of(target), kInDirectory);
    }
}

void FileWatch::take() {
    std::array<char, 4096> events{};
    while (::read(inotify_.number(), events.data(), events.size()) > 0) {
    }
    watch();
}

}  // namespace rk::sys
