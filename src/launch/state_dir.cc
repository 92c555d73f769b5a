// SPDX-License-Identifier: Apache-2.0
#include "launch/state_dir.h"

#include "base/text.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/unix_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rk::launch {

namespace {

constexpr const char* kLockName = "lock";

// What a run of ours, or of the original, may leave behind. Only these names are ever removed.
constexpr std::array<std::string_view, 14> kOwnFiles = {
    "child_pid",
    ".child_pid.new",
    "api.sock",
    "netns",
    "resolv.conf",
    "hosts",
    ".s4nn.sock",
    ".pasta-ready",
    ".pa.sock",
    ".bp.sock",
    ".bp-ready.pipe",
    ".notify.sock",
    "vpnkit-ethernet.sock",
    "gvisortapvsock/tap.sock",
};
constexpr const char* kOwnSubdirectory = "gvisortapvsock";

// Two starts and ends that keep missing each other; each round needs the other side to finish.
constexpr int kLockAttempts = 100;
constexpr int kNameAttempts = 100;

Error already_running(const std::string& path) {
    return make_error(
        "failed to lock {}/lock, another RootlessKit is running with the same state directory?",
        path);
}

Result<void> refuse_foreign(sys::FdRef directory, const std::string& path) {
    const auto names = TRY(sys::list_directory(directory, path));
    if (names.empty() || std::ranges::find(names, kLockName) != names.end()) {
        return {};
    }
    return fail(
        "refusing to use state directory {}: it is not empty and has no \"lock\" file of a "
        "previous "
        "RootlessKit (it contains {}); choose an empty or a new directory",
        path, quote(*std::ranges::min_element(names)));
}

// No value: the file was removed under us, try again.
Result<std::optional<sys::Fd>> try_lock(sys::FdRef directory, const std::string& path) {
    sys::Fd lock = TRY_CTX(
        sys::open_at(directory, kLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600),
        "state directory {}", path);
    if (::flock(lock.number(), LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            return fail(already_running(path));
        }
        return fail(errno_error(errno, fmt::format("failed to lock {}/lock", path)));
    }
    struct stat held {};
    struct stat named {};
    if (::fstat(lock.number(), &held) < 0 ||
        ::fstatat(directory.number(), kLockName, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        held.st_ino != named.st_ino || held.st_dev != named.st_dev) {
        return std::nullopt;
    }
    return std::optional(std::move(lock));
}

// Returns whether there was anything.
bool remove_own_files(sys::FdRef directory) {
    bool found = false;
    for (const std::string_view name : kOwnFiles) {
        found |= ::unlinkat(directory.number(), std::string(name).c_str(), 0) == 0;
    }
    ::unlinkat(directory.number(), kOwnSubdirectory, AT_REMOVEDIR);
    return found;
}

std::string random_digits() {
    std::uint32_t number = 0;
    if (::getrandom(&number, sizeof number, 0) < 0) {
        number = static_cast<std::uint32_t>(::getpid());
    }
    return fmt::format("{}", number);
}

}  // namespace

StateDir::StateDir(std::string path, sys::Fd directory, sys::Fd lock, bool recovered)
    : path_(std::move(path)),
      directory_(std::move(directory)),
      lock_(std::move(lock)),
      recovered_(recovered) {
    hold_directory();
}

StateDir::StateDir(StateDir&& other) noexcept = default;

StateDir::~StateDir() {
    if (lock_.valid()) {
        remove();
    }
}

Result<StateDir> StateDir::create_temporary(std::string_view tmpdir) {
    const std::string parent(tmpdir.empty() ? "/tmp" : tmpdir);
    // With as many digits as there may be, so that it does not depend on chance.
    const std::string longest =
        TRY(sys::absolute_path(fmt::format("{}/rootlesskit4294967295/api.sock", parent)));
    if (Result<void> fits = sys::check_socket_path(longest); !fits) {
        return fail("$TMPDIR is too long for a state directory, give --state-dir: {}",
                    fits.error().message);
    }
    for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
        const std::string path =
            TRY(sys::absolute_path(fmt::format("{}/rootlesskit{}", parent, random_digits())));
        if (::mkdir(path.c_str(), 0700) == 0) {
            ::chmod(path.c_str(), 0700);  // whatever the umask
            Result<StateDir> taken = take(path);
            if (!taken) {
                ::rmdir(path.c_str());
            }
            return taken;
        }
        if (errno != EEXIST) {
            return fail(errno_error(errno, "mkdir " + path));
        }
    }
    return fail("cannot find a free name for a state directory in {}", parent);
}

Result<StateDir> StateDir::take(const std::string& path) {
    for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
        TRY(sys::make_directories(path));
        Result<sys::Fd> directory = sys::open_file(path, O_RDONLY | O_DIRECTORY);
        if (!directory && directory.error().code == ENOENT) {
            continue;  // removed by the previous owner just now
        }
        if (!directory) {
            return fail(std::move(directory).error());
        }
        TRY(refuse_foreign(*directory, path));
        Result<std::optional<sys::Fd>> lock = try_lock(*directory, path);
        if (!lock && lock.error().code == ENOENT) {
            continue;  // a directory without a name takes no new files
        }
        if (!lock) {
            return fail(std::move(lock).error());
        }
        if (*lock) {
            const bool recovered = remove_own_files(*directory);
            return StateDir(path, std::move(*directory), std::move(**lock), recovered);
        }
    }
    return fail(already_running(path));
}

void StateDir::hold_directory() {
    // Non-blocking: whoever holds LOCK_EX here (a tidy-up job) must not stop a start.
    if (::flock(directory_.number(), LOCK_SH | LOCK_NB) < 0) {
        lock_warning_ =
            fmt::format("failed to take a shared lock on {} ({}): systemd-tmpfiles may clean it up",
                        path_, errno_text(errno));
    }
}

std::string StateDir::file(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

Result<void> StateDir::write_child_pid(pid_t pid) const {
    TRY_CTX(sys::replace_file_at(directory_, "child_pid", fmt::format("{}", pid), 0444),
            "state directory {}", path_);
    return {};
}

Result<void> StateDir::create_mount_point(const std::string& name, mode_t mode) const {
    ::unlinkat(directory_.number(), name.c_str(), 0);
    TRY_CTX(sys::write_file_at(directory_, name, "", mode), "state directory {}", path_);
    return {};
}

void StateDir::remove() const {
    remove_own_files(directory_);
    if (!sys::has_no_entry_but(directory_, kLockName)) {
        return;  // the user's files live here: `lock` stays as our mark
    }
    ::unlinkat(directory_.number(), kLockName, 0);
    ::rmdir(path_.c_str());
}

}  // namespace rk::launch
