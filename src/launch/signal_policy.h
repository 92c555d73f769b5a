// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A signal can reach the command on three ways: from its sender directly, through the child, and
// through the parent and the child. A terminal's Ctrl-C goes to parent, child and command at once,
// so passing it on would deliver it three times (known-defects D39), and some daemons take the
// third SIGINT as "stop without cleaning up". The child knows enough to choose:
//
// * what the terminal sent to the whole foreground group has already reached a command that shares
//   our process group; a command in a session of its own (reaper) got nothing and needs it;
// * what arrives both at the child itself and through the parent within a moment was one act of one
//   sender (kill of a process group, systemd's KillMode=control-group): it is passed on once.
//
// Standard signals are not queued by the kernel either, so nobody can rely on two in that moment
// being seen as two. Real-time signals are always passed on.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace rk::launch {

/// On which way a signal came to the child.
enum class SignalPath { kDirect, kViaParent };

class SignalPolicy {
 public:
    using Clock = std::chrono::steady_clock;

    /// Two arrivals on different ways within this span are one act.
    static constexpr std::chrono::milliseconds kOneAct{100};

    /// Whether the signal is to be passed on to the command.
    [[nodiscard]] bool deliver(int signal_number, SignalPath path, bool from_terminal,
                               bool command_in_our_group, Clock::time_point now);

 private:
    struct Last {
        bool seen = false;
        SignalPath path = SignalPath::kDirect;
        Clock::time_point when;
    };
    static constexpr std::size_t kStandardSignals = 32;
    std::array<Last, kStandardSignals> last_{};
};

/// Whether a terminal sends the signal to the foreground process group because of a key or a
/// resize.
[[nodiscard]] bool is_terminal_signal(int signal_number);
/// Whether it stops a process by default and belongs to job control.
[[nodiscard]] bool is_job_stop(int signal_number);

}  // namespace rk::launch
