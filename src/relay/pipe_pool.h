// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "relay/limits.h"
#include "relay/shared.h"
#include "sys/fd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rk::relay {

/// A pipe to splice through.
struct Pipe {
    sys::Fd out;  // read end
    sys::Fd in;   // write end
    [[nodiscard]] bool valid() const { return in.valid(); }
};

/// A buffer for what a slow receiver has not taken.
using Block = std::array<char, kCopyBytes>;

/// The pipes and buffers of one worker. A direction has one only while it holds data; the number of
/// pipes of the whole process is bounded, and the kernel bounds what one user has in pipes.
class StorePool {
 public:
    explicit StorePool(Shared& shared) : shared_(shared) { idle_.reserve(kIdlePipes); }

    /// An empty pipe of at least kSmallestPipeBytes, or none: then the caller copies.
    [[nodiscard]] Pipe take_pipe();
    /// Takes an empty pipe back.
    void give_pipe(Pipe pipe);
    /// Closes a pipe that may hold data.
    void drop_pipe(Pipe pipe);

    [[nodiscard]] std::unique_ptr<Block> take_block();
    void give_block(std::unique_ptr<Block> block);

    /// Closes what is idle, where descriptors have run out.
    void shrink();

 private:
    Shared& shared_;
    std::vector<Pipe> idle_;
    std::vector<std::unique_ptr<Block>> idle_blocks_;
    std::int64_t retry_ms_ = 0;
};

}  // namespace rk::relay
