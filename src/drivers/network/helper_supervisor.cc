// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/helper_supervisor.h"

#include <algorithm>
#include <array>

#include <sys/epoll.h>

namespace rk::drivers {

namespace {

constexpr std::chrono::milliseconds kFirstDelay{100};
constexpr std::chrono::milliseconds kLongestDelay{10000};
// A helper that lived for so long does not count as failing again and again.
constexpr std::chrono::seconds kSettled{30};

std::array<sys::FdRef, 3> watched(const HelperProcess& helper) {
    return {helper.output_fd(), helper.ready_fd(), helper.exited_fd()};
}

}  // namespace

HelperSupervisor::~HelperSupervisor() {
    unwatch();
}

Result<void> HelperSupervisor::start(HelperPlan plan) {
    plan_ = std::move(plan);
    helper_.emplace(TRY(HelperProcess::start(plan_, log_)));
    started_ = std::chrono::steady_clock::now();
    return {};
}

Result<void> HelperSupervisor::wait_ready(const sys::Interrupt* interrupt) {
    TRY_CTX(helper_->wait_ready(sys::Deadline::after(ready_time_), interrupt),
            "waiting for ready fd of {}", plan_.path);
    state_ = State::kRunning;
    return {};
}

Result<void> HelperSupervisor::attach(loop::EventLoop& loop) {
    loop_ = &loop;
    timer_.emplace(TRY(loop::Timer::create(loop, [this] { on_timer(); })));
    return watch();
}

Result<void> HelperSupervisor::check_alive() {
    if (const auto status = helper_->look_ended()) {
        helper_->take_output();
        return fail("{} ended: {}", plan_.name, helper_->end_text(*status));
    }
    return {};
}

model::HelperHealth HelperSupervisor::health() const {
    return {.running = state_ == State::kRunning,
            .pid = helper_ ? helper_->pid() : 0,
            .restarts = restarts_};
}

Result<void> HelperSupervisor::watch() {
    const auto add = [this](sys::FdRef fd, void (HelperSupervisor::*handler)()) -> Result<void> {
        if (fd.number() < 0) {
            return {};
        }
        return loop_->add(fd, EPOLLIN,
                          [this, handler](std::uint32_t /*events*/) { (this->*handler)(); });
    };
    TRY(add(helper_->output_fd(), &HelperSupervisor::on_output));
    TRY(add(helper_->ready_fd(), &HelperSupervisor::on_ready));
    return add(helper_->exited_fd(), &HelperSupervisor::on_end);
}

void HelperSupervisor::unwatch() {
    if (loop_ != nullptr && helper_) {
        for (const sys::FdRef fd : watched(*helper_)) {
            if (fd.number() >= 0) {
                loop_->remove(fd);
            }
        }
    }
}

void HelperSupervisor::on_output() {
    const sys::FdRef fd = helper_->output_fd();
    if (!helper_->take_output()) {
        loop_->remove(fd);
        on_end();  // without pidfd this is how we learn of it
    }
}

void HelperSupervisor::on_ready() {
    const sys::FdRef fd = helper_->ready_fd();
    const bool ready = helper_->look_ready();
    if (helper_->ready_fd().number() < 0) {
        loop_->remove(fd);
    }
    if (ready && state_ == State::kStarting) {
        note_ready();
    }
}

void HelperSupervisor::note_ready() {
    state_ = State::kRunning;
    timer_->disarm();
    ++restarts_;
    log_.warn("{} runs again (PID {})", plan_.name, helper_->pid());
    tell_listener();
}

void HelperSupervisor::on_end() {
    const auto status = helper_->look_ended();
    if (!status) {
        return;
    }
    unwatch();
    helper_->take_output();
    back_off(fmt::format("{} ended ({})", plan_.name, helper_->end_text(*status)));
}

void HelperSupervisor::on_timer() {
    switch (state_) {
        case State::kWaiting:
            return restart();
        case State::kStarting:
            unwatch();
            return back_off(fmt::format("{} did not get ready in time", plan_.name));
        case State::kRunning:
            return;
    }
}

void HelperSupervisor::restart() {
    if (Result<void> started = start(std::move(plan_)); !started) {
        return back_off(started.error().message);
    }
    state_ = State::kStarting;
    if (Result<void> watching = watch(); !watching) {
        unwatch();
        return back_off(watching.error().message);
    }
    timer_->arm(ready_time_);
    if (!plan_.tells_ready) {
        note_ready();
    }
}

void HelperSupervisor::back_off(std::string_view what_happened) {
    helper_.reset();
    const bool settled = std::chrono::steady_clock::now() - started_ >= kSettled;
    const auto delay = settled || next_delay_ == next_delay_.zero() ? kFirstDelay : next_delay_;
    next_delay_ = std::min(2 * delay, kLongestDelay);
    state_ = State::kWaiting;
    log_.warn("{}; the network is cut off; starting {} again in {:.1f} s", what_happened,
              plan_.name, std::chrono::duration<double>(delay).count());
    timer_->arm(delay);
    tell_listener();
}

void HelperSupervisor::tell_listener() const {
    if (listener_) {
        listener_(health());
    }
}

}  // namespace rk::drivers
