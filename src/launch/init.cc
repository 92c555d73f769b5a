// SPDX-License-Identifier: Apache-2.0
#include "launch/init.h"

#include "launch/idle_loop.h"

#include <csignal>

#include <sys/epoll.h>
#include <unistd.h>

namespace rk::launch {

Result<sys::ExitStatus> Init::run(pid_t pid, loop::EventLoop& loop) {
    command_ = pid;
    TRY(loop.add(signals_.fd(), EPOLLIN, [this](std::uint32_t /*events*/) { on_signals(); }));
    TRY(loop.add(channel_.fd(), EPOLLIN, [this](std::uint32_t /*events*/) { on_channel(); }));
    reap();  // the command may have ended before we listened
    TRY(run_until(loop, [this] { return ended_.has_value(); }));
    return *ended_;
}

void Init::on_signals() {
    while (const auto signal = signals_.next()) {
        if (signal->number == SIGCHLD) {
            reap();
        } else {
            on_signal(signal->number, SignalPath::kDirect, signal->from_kernel);
        }
    }
}

void Init::on_channel() {
    const auto arrival = channel_.receive();
    if (!arrival || arrival->end) {
        parent_died();
        return;
    }
    if (!arrival->message) {
        return;
    }
    if (const auto* forward = std::get_if<wire::ForwardSignal>(&*arrival->message)) {
        if (forward->signal_number != SIGCONT || !has_stopped_since(forward->stops)) {
            on_signal(forward->signal_number, SignalPath::kViaParent, forward->from_terminal);
        }
    }
}

bool Init::has_stopped_since(std::uint32_t stops) {
    on_signals();  // what came directly is newer than what took the way through the parent
    if (ended_ || !group_stopped_) {
        return ended_.has_value();
    }
    return parent_stopped_ ? stops < stops_
                           : SignalPolicy::Clock::now() - *group_stopped_ < kStopTakes;
}

bool Init::command_in_our_group() const {
    return ::getpgid(command_) == ::getpgrp();
}

void Init::on_signal(int number, SignalPath path, bool from_terminal) {
    if (path == SignalPath::kDirect && from_terminal && is_job_stop(number)) {
        group_stopped_.reset();
        if (command_in_our_group()) {
            group_stopped_ = SignalPolicy::Clock::now();
        }
    }
    if (!policy_.deliver(number, path, from_terminal, command_in_our_group(),
                         SignalPolicy::Clock::now())) {
        return;
    }
    if (options_.reap && from_terminal && is_job_stop(number)) {
        stopped_for_terminal_ = true;
        ::kill(-command_, SIGSTOP);
    } else if (options_.reap && number == SIGCONT) {
        ::kill(-command_, SIGCONT);
    } else {
        ::kill(command_, number);
    }
}

void Init::on_child_event(const sys::ChildEvent& event) {
    if (event.pid != command_) {
        return;  // an orphan: reaping it was all
    }
    switch (event.kind) {
        case sys::ChildEvent::Kind::kExited:
            ended_ = event.status;
            break;
        case sys::ChildEvent::Kind::kStopped:
            on_command_stopped(event.stop_signal);
            break;
        case sys::ChildEvent::Kind::kContinued:
            on_command_continued();
            break;
    }
}

void Init::on_command_stopped(int stop_signal) {
    // A SIGSTOP from somebody else is only mirrored where we can also mirror its end: from inside a
    // PID namespace the parent cannot be signalled.
    const bool job = is_job_stop(stop_signal) || stopped_for_terminal_;
    if (!job && ::getppid() == 0) {
        return;
    }
    const auto number = static_cast<std::uint8_t>(job ? SIGTSTP : stop_signal);
    parent_stopped_ = true;
    ++stops_;
    static_cast<void>(channel_.send(wire::CommandStopped{number}));
}

void Init::on_command_continued() {
    stopped_for_terminal_ = false;
    group_stopped_.reset();
    if (std::exchange(parent_stopped_, false) && ::getppid() != 0) {
        ::kill(::getppid(), SIGCONT);
    }
}

void Init::reap() {
    while (const auto event = sys::next_child_event(options_.reap ? 0 : command_)) {
        on_child_event(*event);
        if (ended_ && !options_.reap) {
            return;
        }
    }
}

void Init::parent_died() const {
    // Normally our own parent-death signal was faster; this covers a kernel that cleared it.
    sys::kill_hard(command_);
    ::_exit(1);
}

}  // namespace rk::launch
