// SPDX-License-Identifier: Apache-2.0
#include "launch/channel.h"

#include "sys/seqpacket.h"

#include <cerrno>

#include <poll.h>

namespace rk::launch {

Result<std::pair<Channel, Channel>> Channel::create_pair() {
    auto ends = TRY(sys::seqpacket_pair());
    return std::pair{Channel(std::move(ends.first)), Channel(std::move(ends.second))};
}

Result<void> Channel::send(const wire::Message& message) const {
    return sys::send_packet(socket_, wire::encode(message));
}

Result<Channel::Arrival> Channel::receive() const {
    const auto packet = TRY(sys::receive_packet(socket_, wire::kMaxHandshakeBytes));
    if (!packet) {
        return Arrival{};
    }
    if (packet->empty()) {
        return Arrival{true, std::nullopt};
    }
    return Arrival{false, TRY(wire::decode(*packet))};
}

Result<wire::Message> Channel::wait() const {
    for (;;) {
        pollfd ready{socket_.number(), POLLIN, 0};
        if (::poll(&ready, 1, -1) < 0 && errno != EINTR) {
            return fail(errno_error(errno, "poll"));
        }
        Arrival arrival = TRY(receive());
        if (arrival.end) {
            return fail("EOF");
        }
        if (arrival.message) {
            return std::move(*arrival.message);
        }
    }
}

}  // namespace rk::launch
