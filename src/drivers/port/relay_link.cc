// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/relay_link.h"

#include "sys/seqpacket.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <type_traits>
#include <utility>

#include <poll.h>

namespace rk::drivers {

namespace {

// The relay answers between two batches of packets, in microseconds. Longer than this it hangs.
constexpr std::chrono::milliseconds kAnswerPatience{2000};
// Each has a descriptor of the relay: more than it may open is no honest answer.
constexpr std::size_t kMostPorts = std::size_t{1} << 20U;
// Packets taken in one wake-up, so that a chatty relay does not keep the parent's loop.
constexpr int kPacketsPerWakeUp = 64;

// The request an answer belongs to; nothing for what is no answer.
std::optional<std::uint32_t> answered_request(const wire::RelayMessage& message) {
    if (const auto* done = std::get_if<wire::Done>(&message)) {
        return done->request;
    }
    if (const auto* stats = std::get_if<wire::Stats>(&message)) {
        return stats->request;
    }
    return std::nullopt;
}

void write_line(const Logger& log, const wire::LogLine& line) {
    switch (static_cast<LogLevel>(line.level)) {
        case LogLevel::kDebug:
            log.debug("port relay: {}", line.text);
            break;
        case LogLevel::kInfo:
            log.info("port relay: {}", line.text);
            break;
        case LogLevel::kWarning:
        case LogLevel::kError:
            log.warn("port relay: {}", line.text);
            break;
    }
}

}  // namespace

RelayLink::~RelayLink() {
    end();
}

sys::ExitStatus RelayLink::end() {
    gone_ = true;
    if (relay_.pid == 0) {
        return {};
    }
    // One that is dead already keeps the status it died with.
    sys::kill_hard(relay_.pid);
    return sys::wait_for_exit(std::exchange(relay_.pid, 0));
}

Error RelayLink::lost(Error why) {
    gone_ = true;
    return std::move(why).with_context("the port relay");
}

Result<std::optional<wire::RelayMessage>> RelayLink::receive() {
    const auto packet = sys::receive_packet(relay_.channel, wire::kMaxRelayPacket);
    if (!packet) {
        return fail(lost(packet.error()));
    }
    if (!*packet) {
        return std::nullopt;
    }
    if ((*packet)->empty()) {
        return fail(lost(errno_error(ECONNRESET, "channel")));
    }
    auto message = wire::decode_relay(**packet);
    if (!message) {
        return fail(lost(std::move(message).error()));
    }
    if (const auto* line = std::get_if<wire::LogLine>(&*message)) {
        write_line(log_, *line);
    }
    return std::optional(std::move(*message));
}

Result<void> RelayLink::send(const wire::RelayMessage& message, std::optional<sys::FdRef> socket,
                             sys::Deadline deadline) {
    const std::array<sys::FdRef, 1> sockets = {socket.value_or(sys::FdRef(-1))};
    const auto sent = sys::send_packet_with(
        relay_.channel, wire::encode(message),
        std::span<const sys::FdRef>(sockets.data(), socket ? 1U : 0U), deadline);
    if (!sent) {
        const int code = sent.error().code;
        const bool dead = code == EPIPE || code == ECONNRESET || code == ENOTCONN;
        return dead ? fail(lost(sent.error())) : sent;
    }
    return {};
}

// Answers to requests that we gave up on may come first. A relay that only talks does not answer:
// time passes with its packets, too.
Result<wire::RelayMessage> RelayLink::answer(std::uint32_t request, sys::Deadline deadline) {
    for (bool late = false;; late = deadline.passed()) {
        pollfd ready{relay_.channel.number(), POLLIN, 0};
        if (::poll(&ready, 1, deadline.poll_timeout()) == 0 || late) {
            return fail(errno_error(ETIMEDOUT, "the port relay did not answer"));
        }
        auto message = TRY(receive());
        if (message && answered_request(*message) == request) {
            return std::move(*message);
        }
    }
}

Result<void> RelayLink::done(std::uint32_t request, sys::Deadline deadline) {
    const wire::RelayMessage message = TRY(answer(request, deadline));
    const auto* done = std::get_if<wire::Done>(&message);
    if (done == nullptr) {
        return fail(lost(errno_error(EPROTO, "answer")));
    }
    if (done->code != 0) {
        const int code = static_cast<int>(done->code);
        return fail(Error{done->message.empty() ? errno_text(code) : done->message, code});
    }
    return {};
}

Result<void> RelayLink::add(wire::AddPort port, sys::FdRef socket) {
    const sys::Deadline deadline = sys::Deadline::after(kAnswerPatience);
    port.request = next_request_++;
    TRY(send(port, socket, deadline));
    return done(port.request, deadline);
}

Result<void> RelayLink::remove(int id) {
    const sys::Deadline deadline = sys::Deadline::after(kAnswerPatience);
    const wire::RemovePort message{next_request_++, static_cast<std::uint32_t>(id)};
    TRY(send(message, std::nullopt, deadline));
    return done(message.request, deadline);
}

Result<void> RelayLink::tell(std::string text) {
    if (text.size() > wire::kMaxTell) {
        return fail(errno_error(EMSGSIZE, "tell the port relay"));
    }
    const sys::Deadline deadline = sys::Deadline::after(kAnswerPatience);
    wire::Tell message{next_request_++, std::move(text)};
    const std::uint32_t request = message.request;
    TRY(send(std::move(message), std::nullopt, deadline));
    return done(request, deadline);
}

Result<RelayStats> RelayLink::stats() {
    const sys::Deadline deadline = sys::Deadline::after(kAnswerPatience);
    const wire::GetStats question{next_request_++};
    TRY(send(question, std::nullopt, deadline));
    RelayStats collected;
    for (bool more = true; more;) {
        const wire::RelayMessage message = TRY(answer(question.request, deadline));
        const auto* stats = std::get_if<wire::Stats>(&message);
        if (stats == nullptr) {
            return fail(lost(errno_error(EPROTO, "answer")));
        }
        collected.health = stats->health;
        collected.local_ports = stats->local_ports;
        collected.extra = stats->extra;
        collected.ports.insert(collected.ports.end(), stats->ports.begin(), stats->ports.end());
        more = stats->more;
        if (collected.ports.size() > kMostPorts) {
            return fail(lost(errno_error(EPROTO, "statistics without end")));
        }
    }
    return collected;
}

void RelayLink::take_pending() {
    for (int i = 0; i < kPacketsPerWakeUp && !gone_; ++i) {
        const auto message = receive();
        if (!message || !*message) {
            return;
        }
    }
}

}  // namespace rk::drivers
