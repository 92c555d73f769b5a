// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/kernel_names.h"
#include "sys/fd.h"
#include "wire/nfqueue.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace rk::gateway {

/// A packet the kernel holds for us.
struct HeldPacket {
    std::uint32_t id = 0;
    std::uint16_t queue = 0;
};

/// Verdicts on the packets of one queue's socket; they leave together at the end of a batch.
class Verdicts {
 public:
    explicit Verdicts(sys::FdRef queue) : queue_(queue) {}

    /// Lets the packet go on, as the mark says.
    void pass(const HeldPacket& packet, Mark mark = Mark::kPass);
    void drop(const HeldPacket& packet);
    /// Drops everything held before the packet.
    void drop_all_before(const HeldPacket& packet);
    void flush();

 private:
    void add(const HeldPacket& packet, wire::Verdict verdict, Mark mark);

    sys::FdRef queue_;
    std::array<std::byte, 4096> buffer_{};
    wire::VerdictBatch batch_{buffer_};
};

/// What the namespace is told of a call that failed with this errno. Nothing for those that say
/// nothing about the destination: then the packet is dropped and comes again.
[[nodiscard]] Mark mark_of(int code, bool& drop);

}  // namespace rk::gateway
