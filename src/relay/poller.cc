// SPDX-License-Identifier: Apache-2.0
#include "relay/poller.h"

#include <cerrno>
#include <utility>

namespace rk::relay {

namespace {

int control(sys::FdRef epoll, int operation, sys::FdRef fd, std::uint32_t events, Tag tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag.packed();
    return ::epoll_ctl(epoll.number(), operation, fd.number(), &event) == 0 ? 0 : errno;
}

}  // namespace

Result<Poller> Poller::create() {
    sys::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) {
        return fail(errno_error(errno, "epoll_create1"));
    }
    return Poller(std::move(epoll));
}

int Poller::add(sys::FdRef fd, std::uint32_t events, Tag tag) const {
    return control(epoll_, EPOLL_CTL_ADD, fd, events, tag);
}

int Poller::change(sys::FdRef fd, std::uint32_t events, Tag tag) const {
    return control(epoll_, EPOLL_CTL_MOD, fd, events, tag);
}

void Poller::remove(sys::FdRef fd) const {
    static_cast<void>(control(epoll_, EPOLL_CTL_DEL, fd, 0, {}));
}

Result<std::span<const epoll_event>> Poller::wait(int timeout_ms) {
    // epoll_pwait, which every architecture has: the system call filter names one of the two.
    const int count =
        ::epoll_pwait(epoll_.number(), events_.data(), kEventsPerWake, timeout_ms, nullptr);
    if (count < 0 && errno != EINTR) {
        return fail(errno_error(errno, "epoll_wait"));
    }
    return std::span<const epoll_event>(events_.data(),
                                        count < 0 ? 0U : static_cast<std::size_t>(count));
}

}  // namespace rk::relay
