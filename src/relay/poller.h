// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "relay/limits.h"
#include "relay/slab.h"
#include "sys/fd.h"

#include <array>
#include <cstdint>
#include <span>

#include <sys/epoll.h>

namespace rk::relay {

/// What an event is about.
enum class Kind : std::uint8_t {
    kChannel,
    kMailbox,
    kListener,
    kClient,
    kBackend,
    kUdpPort,
    kUdpFlow,
    // Of guests (guest.h), which know what each is.
    kQueue,       // held SYNs
    kHeldCall,    // the connection a held SYN waits for
    kNatFront,    // datagrams of new flows
    kNatInside,   // a flow's socket towards the namespace
    kNatOutside,  // ... and towards the world
    kEcho,        // ping sockets
};

/// An event's owner as it fits into epoll's 64 bits: looked up in a slab, so a stale one finds
/// nothing.
struct Tag {
    Kind kind = Kind::kChannel;
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    [[nodiscard]] static Tag of(Kind kind, const SlabPlace& place) {
        return {.kind = kind, .index = place.index, .generation = place.generation};
    }
    [[nodiscard]] std::uint64_t packed() const {
        return std::uint64_t{static_cast<std::uint8_t>(kind)} << 60U |
               std::uint64_t{generation} << 32U | index;
    }
    [[nodiscard]] static Tag unpack(std::uint64_t packed) {
        return {.kind = static_cast<Kind>(packed >> 60U),
                .index = static_cast<std::uint32_t>(packed),
                .generation =
                    static_cast<std::uint32_t>(packed >> 32U) & ((1U << kGenerationBits) - 1)};
    }
};

/// One epoll instance. Closing a descriptor that nobody else holds removes it by itself.
class Poller {
 public:
    [[nodiscard]] static Result<Poller> create();

    /// 0 or an errno; these run per connection, where an Error would allocate.
    [[nodiscard]] int add(sys::FdRef fd, std::uint32_t events, Tag tag) const;
    [[nodiscard]] int change(sys::FdRef fd, std::uint32_t events, Tag tag) const;
    void remove(sys::FdRef fd) const;

    /// Waits at most that long (-1: for ever). The result is valid until the next call.
    [[nodiscard]] Result<std::span<const epoll_event>> wait(int timeout_ms);

 private:
    explicit Poller(sys::Fd epoll) : epoll_(std::move(epoll)) {}

    sys::Fd epoll_;
    std::array<epoll_event, kEventsPerWake> events_{};
};

}  // namespace rk::relay
