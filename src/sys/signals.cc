// SPDX-License-Identifier: Apache-2.0
#include "sys/signals.h"

#include <cerrno>

#include <sys/signalfd.h>
#include <unistd.h>

namespace rk::sys {

namespace {
constexpr int kHighestSignal = 64;
}  // namespace

std::uint64_t mask_of(const sigset_t& set) {
    std::uint64_t mask = 0;
    for (int number = 1; number <= kHighestSignal; ++number) {
        if (sigismember(&set, number) == 1) {
            mask |= std::uint64_t{1} << static_cast<unsigned>(number - 1);
        }
    }
    return mask;
}

sigset_t set_of(std::uint64_t mask) {
    sigset_t set;
    sigemptyset(&set);
    for (int number = 1; number <= kHighestSignal; ++number) {
        if ((mask >> static_cast<unsigned>(number - 1) & 1U) != 0) {
            sigaddset(&set, number);  // refuses 32 and 33, which are the C library's own
        }
    }
    return set;
}

bool is_ignored(int signal_number) {
    struct sigaction action {};
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access): the ABI is a union
    return ::sigaction(signal_number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t block_all_signals() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    return before;
}

Result<SignalFd> SignalFd::open() {
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGPIPE);
    sigdelset(&set, SIGURG);
    const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return fail(errno_error(errno, "signalfd"));
    }
    return SignalFd(Fd(fd));
}

std::optional<ReceivedSignal> SignalFd::next() const {
    signalfd_siginfo info{};
    if (::read(fd_.number(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
        return std::nullopt;
    }
    return ReceivedSignal{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL,
                          static_cast<pid_t>(info.ssi_pid)};
}

}  // namespace rk::sys
