// SPDX-License-Identifier: Apache-2.0
#include "loop/event_loop.h"

#include <array>
#include <cerrno>

#include <sys/epoll.h>

namespace rk::loop {

namespace {
// Events taken per wake-up: more descriptors than this wait for the next round.
constexpr int kEventsPerWakeUp = 16;
}  // namespace

Result<EventLoop> EventLoop::create() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        return fail(errno_error(errno, "epoll_create1"));
    }
    return EventLoop(sys::Fd(fd));
}

Result<void> EventLoop::add(sys::FdRef fd, std::uint32_t events, Handler handler) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd.number();
    if (::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, fd.number(), &event) < 0) {
        return fail(errno_error(errno, "epoll_ctl"));
    }
    handlers_[fd.number()] = std::move(handler);
    return {};
}

Result<void> EventLoop::change(sys::FdRef fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd.number();
    if (::epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, fd.number(), &event) < 0) {
        return fail(errno_error(errno, "epoll_ctl"));
    }
    return {};
}

void EventLoop::remove(sys::FdRef fd) {
    ::epoll_ctl(epoll_.number(), EPOLL_CTL_DEL, fd.number(), nullptr);
    handlers_.erase(fd.number());
}

Result<bool> EventLoop::run_once(std::optional<sys::Deadline> deadline) {
    std::array<epoll_event, kEventsPerWakeUp> events{};
    const int timeout = deadline ? deadline->poll_timeout() : -1;
    const int count = ::epoll_wait(epoll_.number(), events.data(), kEventsPerWakeUp, timeout);
    if (count < 0 && errno != EINTR) {
        return fail(errno_error(errno, "epoll_wait"));
    }
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        const auto found = handlers_.find(event.data.fd);
        if (found != handlers_.end()) {  // an earlier handler of this batch may have removed it
            const Handler handler = found->second;
            handler(event.events);
        }
    }
    return count != 0 || !deadline || !deadline->passed();
}

}  // namespace rk::loop
