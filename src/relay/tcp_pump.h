// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A direction copies through one buffer of the worker as long as reads are small: requests and
// short answers then cost two system calls and no pipe. The first read that fills the buffer makes
// it a bulk direction, which splices through a pipe: the pages that came in go out, uncopied. A
// read of much less turns it back. Nothing is read while the receiver is not writable, so a slow
// receiver costs one buffer or pipe beside the kernel's own.
//
// Both descriptors are edge-triggered. A short read proves that the socket was empty (epoll(7)), so
// it is not asked again, unless a FIN or error was announced: then the end has to be read.
#pragma once

#include "relay/pipe_pool.h"
#include "relay/tcp_connection.h"

#include <cstdint>

namespace rk::relay {

class Pump {
 public:
    enum class Outcome : std::uint8_t {
        kWaits,   // for an event
        kMore,    // the budget is used up
        kDone,    // FIN passed on
        kBroken,  // one of the sockets failed
    };
    explicit Pump(Shared& shared) : stores_(shared), buffer_(std::make_unique<Block>()) {}

    /// Moves what can be moved without waiting, within the budget. Adds the bytes read to `moved`.
    [[nodiscard]] Outcome run(Connection& connection, Way way, std::uint64_t& moved);

    /// Gives a direction's pipe and block back, with whatever is in them.
    void discard(Direction& direction);

    [[nodiscard]] StorePool& stores() { return stores_; }

 private:
    enum class Step : std::uint8_t { kGoOn, kBlocked, kBroken };

    [[nodiscard]] Step copy(Direction& direction, Side& from, Side& to, std::uint64_t& moved);
    [[nodiscard]] Step splice_in(Direction& direction, Side& from, std::uint64_t& moved);
    [[nodiscard]] Step flush_pipe(Direction& direction, Side& to);
    [[nodiscard]] Step flush_block(Direction& direction, Side& to);
    [[nodiscard]] Step flush(Direction& direction, Side& to);
    [[nodiscard]] Step fill(Direction& direction, Side& from, Side& to, std::uint64_t& moved);
    void give_back(Direction& direction);

    StorePool stores_;
    std::unique_ptr<Block> buffer_;
};

}  // namespace rk::relay
