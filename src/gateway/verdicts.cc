// SPDX-License-Identifier: Apache-2.0
#include "gateway/verdicts.h"

#include <cerrno>

#include <sys/socket.h>

namespace rk::gateway {

void Verdicts::pass(const HeldPacket& packet, Mark mark) {
    add(packet, wire::Verdict::kAccept, mark);
}

void Verdicts::drop(const HeldPacket& packet) {
    add(packet, wire::Verdict::kDrop, Mark::kPass);
}

void Verdicts::drop_all_before(const HeldPacket& packet) {
    std::array<std::byte, wire::kMaxQueueMessage> message{};
    const std::size_t size =
        wire::put_verdict_up_to(message, packet.queue, packet.id - 1, wire::Verdict::kDrop);
    static_cast<void>(::send(queue_.number(), message.data(), size, 0));
}

void Verdicts::add(const HeldPacket& packet, wire::Verdict verdict, Mark mark) {
    const auto value = static_cast<std::uint32_t>(mark);
    if (!batch_.add(packet.queue, packet.id, verdict, value)) {
        flush();
        static_cast<void>(batch_.add(packet.queue, packet.id, verdict, value));
    }
}

// The kernel handles netlink within send(2), so this neither waits nor fails for want of room.
void Verdicts::flush() {
    if (!batch_.empty()) {
        static_cast<void>(::send(queue_.number(), batch_.bytes().data(), batch_.bytes().size(), 0));
        batch_.clear();
    }
}

Mark mark_of(int code, bool& drop) {
    drop = false;
    switch (code) {
        case ECONNREFUSED:
        case ECONNRESET:
            return Mark::kReset;
        case ENETUNREACH:
        case ENETDOWN:
            return Mark::kNoRoute;
        case EHOSTUNREACH:
        case EHOSTDOWN:
            return Mark::kHostUnreachable;
        case EACCES:
        case EPERM:
            return Mark::kProhibited;
        default:
            drop = true;
            return Mark::kPass;
    }
}

}  // namespace rk::gateway
