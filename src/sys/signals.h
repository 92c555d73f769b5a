// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <csignal>
#include <cstdint>
#include <optional>

namespace rk::sys {

/// A set of signals 1..64 as one word, bit N-1 for signal N, as /proc/PID/status prints it.
[[nodiscard]] std::uint64_t mask_of(const sigset_t& set);
[[nodiscard]] sigset_t set_of(std::uint64_t mask);

/// Whether a signal is SIG_IGN in this process.
[[nodiscard]] bool is_ignored(int signal_number);

/// Blocks every signal and returns the mask there was. Signals are then read from a SignalFd; the
/// kernel queues a blocked signal even where it is ignored (kernel/signal.c, sig_ignored()).
[[nodiscard]] sigset_t block_all_signals();

/// A signal as it arrived.
struct ReceivedSignal {
    int number = 0;
    bool from_kernel = false;  // SI_KERNEL: the terminal sent it to the whole foreground group
    pid_t sender = 0;          // 0 where the sender is outside our PID namespace or the kernel
};

/// signalfd(2) over all signals except SIGPIPE and SIGURG, which stay blocked and unread: we never
/// pass them on (they are about the receiving process' own sockets).
class SignalFd {
 public:
    [[nodiscard]] static Result<SignalFd> open();
    [[nodiscard]] FdRef fd() const { return fd_; }
    /// The next pending signal, without waiting.
    [[nodiscard]] std::optional<ReceivedSignal> next() const;

 private:
    explicit SignalFd(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace rk::sys
