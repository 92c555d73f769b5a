// SPDX-License-Identifier: Apache-2.0
#include "relay/tcp_pump.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

namespace rk::relay {

namespace {

template <typename Call>
ssize_t unless_interrupted(const Call& call) {
    ssize_t result = call();
    while (result < 0 && errno == EINTR) {
        result = call();
    }
    return result;
}

// Bytes taken by the socket, 0 where it is full, below 0 where it is broken.
ssize_t send_some(Side& to, std::span<const char> bytes) {
    const ssize_t sent = unless_interrupted(
        [&] { return ::send(to.fd.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    if (sent < 0) {
        to.writable = false;
        return errno == EAGAIN ? 0 : -1;
    }
    if (static_cast<std::size_t>(sent) < bytes.size()) {
        to.writable = false;
    }
    return sent;
}

}  // namespace

Pump::Outcome Pump::run(Connection& connection, Way way, std::uint64_t& moved) {
    Direction& direction = connection.ways.at(way);
    Side& from = connection.sides.at(way);
    Side& to = connection.sides.at(1U - way);
    if (direction.done) {
        return Outcome::kDone;
    }
    for (int round = 0; round < kPumpRounds; ++round) {
        Step step = flush(direction, to);
        if (step == Step::kGoOn && direction.ended) {
            give_back(direction);
            direction.done = true;
            // Where both directions have ended, close(2) sends the FIN.
            if (!connection.ways.at(1U - way).done) {
                static_cast<void>(::shutdown(to.fd.number(), SHUT_WR));
            }
            return Outcome::kDone;
        }
        if (step == Step::kGoOn) {
            step = fill(direction, from, to, moved);
        }
        if (step != Step::kGoOn) {
            if (!direction.holds_data()) {
                give_back(direction);
            }
            return step == Step::kBroken ? Outcome::kBroken : Outcome::kWaits;
        }
    }
    return Outcome::kMore;
}

Pump::Step Pump::fill(Direction& direction, Side& from, Side& to, std::uint64_t& moved) {
    if (!from.readable || !to.writable) {
        return Step::kBlocked;
    }
    if (direction.bulk && !direction.pipe.valid()) {
        direction.pipe = stores_.take_pipe();
    }
    return direction.bulk && direction.pipe.valid() ? splice_in(direction, from, moved)
                                                    : copy(direction, from, to, moved);
}

Pump::Step Pump::copy(Direction& direction, Side& from, Side& to, std::uint64_t& moved) {
    const ssize_t got = unless_interrupted(
        [&] { return ::recv(from.fd.number(), buffer_->data(), buffer_->size(), 0); });
    if (got < 0) {
        from.readable = false;
        return errno == EAGAIN ? Step::kBlocked : Step::kBroken;
    }
    if (got == 0) {
        direction.ended = true;
        from.readable = false;
        return Step::kGoOn;
    }
    const std::span<const char> bytes(buffer_->data(), static_cast<std::size_t>(got));
    moved += bytes.size();
    direction.bulk = bytes.size() == buffer_->size();
    if (!direction.bulk && !from.hung_up) {
        from.readable = false;
    }
    const ssize_t sent = send_some(to, bytes);
    if (sent < 0) {
        return Step::kBroken;
    }
    const auto rest = bytes.subspan(static_cast<std::size_t>(sent));
    if (!rest.empty()) {
        direction.block = stores_.take_block();
        std::copy(rest.begin(), rest.end(), direction.block->begin());
        direction.block_begin = 0;
        direction.block_end = static_cast<std::uint32_t>(rest.size());
    }
    return Step::kGoOn;
}

// A full pipe ends a splice early, so only EAGAIN proves that the socket is empty.
Pump::Step Pump::splice_in(Direction& direction, Side& from, std::uint64_t& moved) {
    const ssize_t got = unless_interrupted([&] {
        return ::splice(from.fd.number(), nullptr, direction.pipe.in.number(), nullptr, kPipeBytes,
                        SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    });
    if (got < 0) {
        from.readable = false;
        return errno == EAGAIN ? Step::kBlocked : Step::kBroken;
    }
    if (got == 0) {
        direction.ended = true;
        from.readable = false;
        return Step::kGoOn;
    }
    moved += static_cast<std::uint64_t>(got);
    direction.in_pipe = static_cast<std::uint32_t>(got);
    direction.bulk = static_cast<std::size_t>(got) >= kCopyBytes / 2;
    return Step::kGoOn;
}

Pump::Step Pump::flush(Direction& direction, Side& to) {
    if (!direction.holds_data()) {
        return Step::kGoOn;
    }
    if (!to.writable) {
        return Step::kBlocked;
    }
    return direction.in_pipe > 0 ? flush_pipe(direction, to) : flush_block(direction, to);
}

Pump::Step Pump::flush_pipe(Direction& direction, Side& to) {
    while (direction.in_pipe > 0) {
        const ssize_t sent = unless_interrupted([&] {
            return ::splice(direction.pipe.out.number(), nullptr, to.fd.number(), nullptr,
                            direction.in_pipe, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        });
        if (sent <= 0) {
            to.writable = false;
            return sent < 0 && errno == EAGAIN ? Step::kBlocked : Step::kBroken;
        }
        direction.in_pipe -= static_cast<std::uint32_t>(sent);
    }
    return Step::kGoOn;
}

Pump::Step Pump::flush_block(Direction& direction, Side& to) {
    const std::span<const char> rest(direction.block->data() + direction.block_begin,
                                     direction.block_end - direction.block_begin);
    const ssize_t sent = send_some(to, rest);
    if (sent < 0) {
        return Step::kBroken;
    }
    direction.block_begin += static_cast<std::uint32_t>(sent);
    if (direction.block_begin < direction.block_end) {
        return Step::kBlocked;
    }
    stores_.give_block(std::move(direction.block));
    return Step::kGoOn;
}

void Pump::give_back(Direction& direction) {
    if (direction.pipe.valid()) {
        stores_.give_pipe(std::move(direction.pipe));
        direction.pipe = {};
    }
}

void Pump::discard(Direction& direction) {
    if (direction.pipe.valid() && direction.in_pipe > 0) {
        stores_.drop_pipe(std::move(direction.pipe));
    } else if (direction.pipe.valid()) {
        stores_.give_pipe(std::move(direction.pipe));
    }
    direction = {};
}

}  // namespace rk::relay
