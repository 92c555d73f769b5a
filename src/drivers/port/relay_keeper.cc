// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/relay_keeper.h"

#include <algorithm>

#include <sys/epoll.h>

namespace rk::drivers {

namespace {

constexpr std::chrono::minutes kRestartWindow{1};

}  // namespace

RelayKeeper::~RelayKeeper() {
    drop();
}

void RelayKeeper::add_user(const void* user, Restore restore) {
    users_.emplace_back(user, std::move(restore));
}

void RelayKeeper::remove_user(const void* user) {
    std::erase_if(users_, [user](const auto& entry) { return entry.first == user; });
}

void RelayKeeper::attach(loop::EventLoop& loop) {
    if (loop_ == &loop) {
        return;
    }
    loop_ = &loop;
    watch();
}

void RelayKeeper::detach() {
    if (loop_ != nullptr && relay_) {
        loop_->remove(relay_->channel());
    }
    timer_.reset();
    loop_ = nullptr;
}

Result<void> RelayKeeper::need() {
    return relay_ ? Result<void>() : start();
}

Result<void> RelayKeeper::keep_running() {
    keep_running_ = true;
    return need();
}

Result<void> RelayKeeper::with_relay(const std::function<Result<void>(RelayLink&)>& work) {
    TRY(need());
    Result<void> done = work(*relay_);
    if (!done && relay_->gone()) {
        replace();
        TRY(need());
        done = work(*relay_);
    }
    return done;
}

Result<RelayStats> RelayKeeper::stats() {
    RelayStats stats;
    if (relay_ || keep_running_) {
        const auto ask = [&](RelayLink& relay) -> Result<void> {
            stats = TRY(relay.stats());
            return {};
        };
        TRY(with_relay(ask));
        stats.health.running = true;
        stats.health.pid = relay_->pid();
    }
    stats.health.restarts = restarts_;
    return stats;
}

// Starts it and lets every user give it what it needs.
Result<void> RelayKeeper::start() {
    RelayConnection connection = TRY_CTX(start_(), "start the port relay");
    relay_ = std::make_unique<RelayLink>(std::move(connection), log_);
    watch();
    for (const auto& [user, restore] : users_) {
        Result<void> done = restore(*relay_);
        if (!done && relay_->gone()) {
            drop();
            return done;
        }
    }
    return {};
}

bool RelayKeeper::may_restart() {
    const auto now = std::chrono::steady_clock::now();
    while (!recent_restarts_.empty() && now - recent_restarts_.front() > kRestartWindow) {
        recent_restarts_.pop_front();
    }
    if (recent_restarts_.size() >= pace_.restarts_per_minute) {
        return false;
    }
    recent_restarts_.push_back(now);
    return true;
}

void RelayKeeper::drop() {
    if (loop_ != nullptr && relay_) {
        loop_->remove(relay_->channel());
    }
    relay_.reset();
}

void RelayKeeper::replace() {
    if (!relay_) {
        return;
    }
    const sys::ExitStatus status = relay_->end();
    drop();
    if (!may_restart()) {
        log_.warn("the port relay ended again: {}; {}", status.text(),
                  keep_running_ ? "the network is cut off for some seconds"
                                : "published ports wait for the next change");
        try_later();
        return;
    }
    ++restarts_;
    log_.warn("the port relay ended: {}; starting it again", status.text());
    if (const Result<void> started = start(); !started) {
        log_.warn("{}", started.error().message);
        try_later();
    }
}

void RelayKeeper::try_later() {
    if (!keep_running_ || loop_ == nullptr) {
        return;
    }
    if (!timer_) {
        auto timer = loop::Timer::create(*loop_, [this] { on_timer(); });
        if (!timer) {
            log_.warn("the port relay waits for the next change: {}", timer.error().message);
            return;
        }
        timer_.emplace(std::move(*timer));
    }
    timer_->arm(pace_.retry_delay);
}

void RelayKeeper::on_timer() {
    if (relay_) {
        return;
    }
    if (const Result<void> started = start(); !started) {
        log_.warn("{}", started.error().message);
        try_later();
        return;
    }
    ++restarts_;
    log_.warn("the port relay runs again (PID {})", relay_->pid());
}

void RelayKeeper::watch() {
    if (loop_ == nullptr || !relay_) {
        return;
    }
    const Result<void> added =
        loop_->add(relay_->channel(), EPOLLIN, [this](std::uint32_t /*events*/) { on_channel(); });
    if (!added) {
        log_.warn("the port relay is not watched: {}", added.error().message);
    }
}

void RelayKeeper::on_channel() {
    if (!relay_) {
        return;
    }
    relay_->take_pending();
    if (relay_->gone()) {
        replace();
    }
}

}  // namespace rk::drivers
