// SPDX-License-Identifier: Apache-2.0
#include "loop/timer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace rk::loop {

Result<Timer> Timer::create(EventLoop& loop, std::function<void()> handler) {
    sys::Fd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!fd.valid()) {
        return fail(errno_error(errno, "timerfd_create"));
    }
    const int number = fd.number();
    TRY(loop.add(fd, EPOLLIN, [number, handler = std::move(handler)](std::uint32_t /*events*/) {
        std::uint64_t expirations = 0;
        // Nothing to read: disarmed or armed anew since the event was taken.
        if (::read(number, &expirations, sizeof expirations) > 0) {
            handler();
        }
    }));
    return Timer(loop, std::move(fd));
}

Timer::~Timer() {
    if (fd_.valid()) {
        loop_->remove(fd_);
    }
}

void Timer::arm(std::chrono::milliseconds span) {
    constexpr std::int64_t kMillisecondsPerSecond = 1000;
    constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
    const std::int64_t count = std::max<std::int64_t>(span.count(), 1);  // 0 would disarm
    itimerspec when{};
    when.it_value.tv_sec = count / kMillisecondsPerSecond;
    when.it_value.tv_nsec = count % kMillisecondsPerSecond * kNanosecondsPerMillisecond;
    ::timerfd_settime(fd_.number(), 0, &when, nullptr);
}

void Timer::disarm() {
    const itimerspec never{};
    ::timerfd_settime(fd_.number(), 0, &never, nullptr);
}

}  // namespace rk::loop
