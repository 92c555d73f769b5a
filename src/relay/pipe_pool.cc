// SPDX-License-Identifier: Apache-2.0
#include "relay/pipe_pool.h"

#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace rk::relay {

namespace {

// Past pipe-user-pages-soft the kernel silently makes pipes of two pages, and F_SETPIPE_SZ fails
// with EPERM (pipe(7)).
Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0) {
        return {};
    }
    Pipe pipe{.out = sys::Fd(ends[0]), .in = sys::Fd(ends[1])};
    int size = ::fcntl(pipe.in.number(), F_SETPIPE_SZ, static_cast<int>(kPipeBytes));
    if (size < 0) {
        size = ::fcntl(pipe.in.number(), F_GETPIPE_SZ);
    }
    return size < static_cast<int>(kSmallestPipeBytes) ? Pipe{} : std::move(pipe);
}

}  // namespace

Pipe StorePool::take_pipe() {
    if (!idle_.empty()) {
        Pipe pipe = std::move(idle_.back());
        idle_.pop_back();
        return pipe;
    }
    if (retry_ms_ > 0 && now_ms() < retry_ms_) {
        return {};
    }
    if (!shared_.pipes.take(1)) {
        return {};
    }
    if (!shared_.fds.take(2)) {
        shared_.pipes.give(1);
        return {};
    }
    Pipe pipe = make_pipe();
    retry_ms_ = pipe.valid() ? 0 : now_ms() + kPipeRetryMs;
    if (!pipe.valid()) {
        shared_.pipes.give(1);
        shared_.fds.give(2);
    }
    return pipe;
}

void StorePool::give_pipe(Pipe pipe) {
    if (idle_.size() < kIdlePipes) {
        idle_.push_back(std::move(pipe));
        return;
    }
    drop_pipe(std::move(pipe));
}

void StorePool::drop_pipe(Pipe pipe) {
    pipe = {};
    shared_.pipes.give(1);
    shared_.fds.give(2);
}

std::unique_ptr<Block> StorePool::take_block() {
    if (idle_blocks_.empty()) {
        return std::make_unique_for_overwrite<Block>();
    }
    std::unique_ptr<Block> block = std::move(idle_blocks_.back());
    idle_blocks_.pop_back();
    return block;
}

void StorePool::give_block(std::unique_ptr<Block> block) {
    if (idle_blocks_.size() < kIdleBlocks) {
        idle_blocks_.push_back(std::move(block));
    }
}

void StorePool::shrink() {
    while (!idle_.empty()) {
        drop_pipe(std::move(idle_.back()));
        idle_.pop_back();
    }
}

}  // namespace rk::relay
