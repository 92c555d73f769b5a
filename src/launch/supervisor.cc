// SPDX-License-Identifier: Apache-2.0
#include "launch/supervisor.h"

#include "launch/idle_loop.h"
#include "sys/file.h"

#include <csignal>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace rk::launch {

namespace {

// Stops this process until somebody (the shell's fg or bg) continues it. Without a controlling
// terminal there is no shell that waits for the stop, and a service must go on serving.
void stop_with_command() {
    if (sys::open_file("/dev/tty", O_RDWR | O_NOCTTY)) {
        ::kill(::getpid(), SIGSTOP);
    }
}

}  // namespace

Result<sys::ExitStatus> Supervisor::run() {
    TRY(loop_.add(signals_.fd(), EPOLLIN, [this](std::uint32_t /*events*/) { on_signals(); }));
    TRY(loop_.add(child_.channel().fd(), EPOLLIN,
                  [this](std::uint32_t /*events*/) { on_channel(); }));
    reap();  // its end may have been signalled while the set-up read the signals
    TRY(run_until(loop_, [this] { return ended_.has_value(); }));
    return *ended_;
}

void Supervisor::on_signals() {
    while (const auto signal = signals_.next()) {
        if (signal->number == SIGCHLD) {
            reap();
            continue;
        }
        // The child continues us because the command goes on. Sent back to the command, it would
        // undo a Ctrl-Z typed in between.
        if (signal->number == SIGCONT && signal->sender == child_.pid()) {
            continue;
        }
        // A child that is gone needs no signal; its SIGCHLD is on the way.
        static_cast<void>(child_.channel().send(wire::ForwardSignal{
            static_cast<std::uint8_t>(signal->number), signal->from_kernel, stops_}));
    }
}

void Supervisor::on_channel() {
    const auto arrival = child_.channel().receive();
    if (!arrival || arrival->end) {
        loop_.remove(child_.channel().fd());  // SIGCHLD says the rest
        return;
    }
    if (arrival->message && std::holds_alternative<wire::CommandStopped>(*arrival->message)) {
        ++stops_;
        stop_with_command();
    }
}

void Supervisor::reap() {
    // As PID 1 of a container every orphan there becomes ours, also those of a command that has
    // left the child; nobody else could reap them.
    const bool everything = ::getpid() == 1;
    while (!ended_) {
        const auto event = sys::next_child_event(everything ? 0 : child_.pid());
        if (!event) {
            return;
        }
        if (event->pid == child_.pid() && event->kind == sys::ChildEvent::Kind::kExited) {
            ended_ = event->status;
            child_.forget();
        }
    }
}

}  // namespace rk::launch
