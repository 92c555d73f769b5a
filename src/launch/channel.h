// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"
#include "wire/handshake.h"

#include <optional>
#include <utility>

namespace rk::launch {

/// One end of the pair that parent and child talk over; see wire/handshake.h for the order of
/// things.
class Channel {
 public:
    explicit Channel(sys::Fd socket) : socket_(std::move(socket)) {}
    [[nodiscard]] static Result<std::pair<Channel, Channel>> create_pair();

    [[nodiscard]] sys::FdRef fd() const { return socket_; }
    void close() { socket_.reset(); }

    [[nodiscard]] Result<void> send(const wire::Message& message) const;

    /// What receive() found.
    struct Arrival {
        bool end = false;                      // the other side is gone
        std::optional<wire::Message> message;  // empty and not end: nothing there yet
    };
    [[nodiscard]] Result<Arrival> receive() const;
    /// Waits for the next message; the other side's death is the error "EOF".
    [[nodiscard]] Result<wire::Message> wait() const;

 private:
    sys::Fd socket_;
};

}  // namespace rk::launch
