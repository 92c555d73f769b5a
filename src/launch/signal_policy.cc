// SPDX-License-Identifier: Apache-2.0
#include "launch/signal_policy.h"

#include <csignal>

namespace rk::launch {

bool is_job_stop(int signal_number) {
    return signal_number == SIGTSTP || signal_number == SIGTTIN || signal_number == SIGTTOU;
}

bool is_terminal_signal(int signal_number) {
    // SIGHUP is left out: on a hang-up it may go to the session leader alone (tty_io.c).
    return signal_number == SIGINT || signal_number == SIGQUIT || signal_number == SIGWINCH ||
           is_job_stop(signal_number);
}

bool SignalPolicy::deliver(int signal_number, SignalPath path, bool from_terminal,
                           bool command_in_our_group, Clock::time_point now) {
    if (from_terminal && command_in_our_group && is_terminal_signal(signal_number)) {
        return false;
    }
    const auto index = static_cast<std::size_t>(signal_number);
    if (index >= kStandardSignals) {
        return true;
    }
    Last& last = last_.at(index);
    if (last.seen && last.path != path && now - last.when < kOneAct) {
        last.seen = false;  // a third arrival is a new act
        return false;
    }
    last = Last{true, path, now};
    return true;
}

}  // namespace rk::launch
