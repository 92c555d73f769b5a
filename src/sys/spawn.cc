// SPDX-License-Identifier: Apache-2.0
#include "sys/spawn.h"

#include "sys/process.h"
#include "sys/signals.h"

#include <array>
#include <cerrno>
#include <cstdint>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::sys {

namespace {

constexpr std::size_t kPidDigits = 10;
constexpr int kHighestSignal = 64;
constexpr unsigned kFirstOther = 4;  // above what `fds` fills

// All that the vforked process touches; prepared before, because it shares our memory.
struct Image {
    const char* path = nullptr;
    char** argv = nullptr;
    char** envp = nullptr;
    char* pid_digits = nullptr;              // kPidDigits bytes and a NUL to fill, or null
    std::array<int, 4> fds{-1, -1, -1, -1};  // what becomes 0, 1, 2, 3
    bool nothing_else = false;
    sigset_t signal_mask{};
    std::uint64_t reset_signals = 0;  // bit N-1: signal N to its default
    bool ignore_sigchld = false;
    bool own_session = false;
    pid_t parent = 0;
};

// No library call: runs between vfork and exec.
void write_digits(char* out, pid_t value) {
    std::array<char, kPidDigits> reversed{};
    std::size_t count = 0;
    do {
        reversed[count++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value > 0 && count < reversed.size());
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = reversed[count - 1 - i];
    }
    out[count] = '\0';
}

// Dispositions are this process' own: vfork(2) shares memory, not the signal table.
void set_signals(const Image& image) {
    for (int number = 1; number <= kHighestSignal; ++number) {
        if ((image.reset_signals >> static_cast<unsigned>(number - 1) & 1U) != 0) {
            static_cast<void>(::signal(number, SIG_DFL));
        }
    }
    if (image.ignore_sigchld) {
        static_cast<void>(::signal(SIGCHLD, SIG_IGN));
    }
    ::sigprocmask(SIG_SETMASK, &image.signal_mask, nullptr);
}

// Between vfork and exec: system calls only; of the parent's memory only the errno slot and the
// digits made for this purpose are written.
[[noreturn]] void become_program(const Image& image, volatile int* failure) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != image.parent) {
        ::_exit(1);  // the parent died before the line above took effect
    }
    if (image.own_session) {
        ::setsid();
    }
    for (int target = 0; target < static_cast<int>(image.fds.size()); ++target) {
        if (const int source = image.fds[static_cast<std::size_t>(target)]; source >= 0) {
            ::dup2(source, target);
        }
    }
    if (image.nothing_else) {
        ::syscall(SYS_close_range, kFirstOther, ~0U, 0);  // in our own copy of the table
    }
    if (image.pid_digits != nullptr) {
        write_digits(image.pid_digits, ::getpid());
    }
    set_signals(image);
    ::execve(image.path, image.argv, image.envp);
    *failure = errno;
    ::_exit(1);
}

// noinline: the frame that calls vfork must not be shared with anything the caller still needs.
[[gnu::noinline]] pid_t vfork_program(const Image& image, volatile int* failure) {
    // posix_spawn(3) cannot do what become_program() does; on Linux system calls are fine there.
    // NOLINTBEGIN(clang-analyzer-*)
    const pid_t pid = ::vfork();
    if (pid == 0) {
        become_program(image, failure);
    }
    // NOLINTEND(clang-analyzer-*)
    return pid;
}

std::uint64_t ignored_signals() {
    std::uint64_t ignored = 0;
    for (int number = 1; number <= kHighestSignal; ++number) {
        if (is_ignored(number)) {
            ignored |= std::uint64_t{1} << static_cast<unsigned>(number - 1);
        }
    }
    return ignored;
}

int number_of(const std::optional<FdRef>& fd) {
    return fd ? fd->number() : -1;
}

}  // namespace

Result<pid_t> spawn(const SpawnPlan& plan) {
    Environment environment = plan.environment;
    if (!plan.pid_variable.empty()) {
        environment.set(plan.pid_variable, std::string(kPidDigits, '0'));
    }
    std::vector<char*> argv = exec_vector(plan.argv);
    std::vector<char*> envp = exec_vector(environment.entries());
    Image image;
    image.path = plan.path.c_str();
    image.argv = argv.data();
    image.envp = envp.data();
    if (!plan.pid_variable.empty()) {
        // set() put it last; skip "NAME="
        image.pid_digits = envp[envp.size() - 2] + plan.pid_variable.size() + 1;
    }
    image.fds = {number_of(plan.input), number_of(plan.output), number_of(plan.error),
                 number_of(plan.extra)};
    image.nothing_else = plan.nothing_else;
    image.signal_mask = plan.signal_mask;
    image.reset_signals = plan.default_signals ? ignored_signals() : 0;
    image.ignore_sigchld = plan.ignore_sigchld;
    image.own_session = plan.own_session;
    image.parent = ::getpid();

    volatile int failure = 0;
    const pid_t pid = vfork_program(image, &failure);
    if (pid < 0) {
        return fail(errno_error(errno, "fork/exec " + plan.path));
    }
    if (failure != 0) {
        wait_for_exit(pid);
        return fail(errno_error(failure, "fork/exec " + plan.path));
    }
    return pid;
}

}  // namespace rk::sys
