// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/clock.h"
#include "sys/fd.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

namespace rk::loop {

/// One epoll instance and the functions to call when a descriptor is ready. Level-triggered.
/// A handler may add and remove descriptors, also its own.
class EventLoop {
 public:
    using Handler = std::function<void(std::uint32_t events)>;

    [[nodiscard]] static Result<EventLoop> create();

    /// Watches a borrowed descriptor; remove() it before it is closed.
    [[nodiscard]] Result<void> add(sys::FdRef fd, std::uint32_t events, Handler handler);
    /// Watches for other events, with the same handler.
    [[nodiscard]] Result<void> change(sys::FdRef fd, std::uint32_t events);
    void remove(sys::FdRef fd);

    /// Waits for events once and calls the handlers. Without a deadline it waits for ever; with one
    /// it returns false when nothing happened until then.
    [[nodiscard]] Result<bool> run_once(std::optional<sys::Deadline> deadline = std::nullopt);

 private:
    explicit EventLoop(sys::Fd epoll) : epoll_(std::move(epoll)) {}

    sys::Fd epoll_;
    std::map<int, Handler> handlers_;
};

}  // namespace rk::loop
