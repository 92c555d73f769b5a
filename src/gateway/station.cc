// SPDX-License-Identifier: Apache-2.0
#include "gateway/station.h"

#include "gateway/limits.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <variant>

#include <sys/socket.h>

namespace rk::gateway {

Station::Station(Context& context, relay::Shared& shared, relay::Poller& poller, unsigned worker)
    : context_(context),
      poller_(poller),
      queue_(context.sockets.workers.at(worker).queue),
      verdicts_(queue_),
      egress_(context.egress),
      calls_(context, shared, poller, verdicts_, egress_, context.ledger.workers.at(worker)),
      echoes_(context, shared, poller, verdicts_, egress_, context.ledger.workers.at(worker)),
      udp_(context, shared, poller, context.sockets.workers.at(worker), egress_,
           context.ledger.workers.at(worker)) {}

Result<void> Station::prepare() {
    if (queue_.number() >= 0) {
        const int code = poller_.add(queue_, EPOLLIN, {.kind = relay::Kind::kQueue});
        if (code != 0) {
            return fail(errno_error(code, "watch the gateway's queue"));
        }
    }
    return udp_.prepare();
}

void Station::on_event(relay::Tag tag, std::uint32_t events, std::int64_t now) {
    if (tag.kind == relay::Kind::kQueue) {
        on_queue(now);
    } else if (tag.kind == relay::Kind::kHeldCall) {
        calls_.on_event(tag, events, now);
    } else if (tag.kind == relay::Kind::kEcho) {
        echoes_.on_event(tag);
    } else {
        udp_.on_event(tag, now);
    }
}

void Station::on_queue(std::int64_t now) {
    for (int i = 0; i < kPacketsPerWake; ++i) {
        const ssize_t got = ::recv(queue_.number(), room_.data(), room_.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return;
        }
        wire::QueueReader reader{std::span(room_).first(static_cast<std::size_t>(got))};
        while (const auto message = reader.next()) {
            if (const auto* packet = std::get_if<wire::QueuedPacket>(&*message)) {
                on_packet(*packet, now);
            }
        }
    }
}

void Station::on_packet(const wire::QueuedPacket& packet, std::int64_t now) {
    const HeldPacket held{packet.id, packet.queue};
    if (!inherited_dropped_) {
        inherited_dropped_ = true;
        verdicts_.drop_all_before(held);
    }
    const wire::PacketHeader header = wire::parse_packet_header(packet.bytes);
    if (const auto* syn = std::get_if<wire::TcpSyn>(&header)) {
        calls_.on_syn(*syn, held, now);
    } else if (const auto* echo = std::get_if<wire::EchoRequest>(&header)) {
        echoes_.on_request(*echo, held, now);
    } else {
        verdicts_.drop(held);
    }
}

std::int64_t Station::next_due() const {
    std::int64_t due = claims_due_ms_ > 0 ? claims_due_ms_ : -1;
    for (const std::int64_t other : {echoes_.next_due(), udp_.next_due()}) {
        if (other >= 0 && (due < 0 || other < due)) {
            due = other;
        }
    }
    return due;
}

void Station::end_of_batch(std::int64_t now) {
    echoes_.end_of_batch(now);
    udp_.end_of_batch(now);
    verdicts_.flush();
    if (now >= claims_due_ms_) {
        claims_due_ms_ = context_.claims.expire(now);
    }
}

}  // namespace rk::gateway
