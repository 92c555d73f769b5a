// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A socket belongs to the network namespace of the thread that makes it, whoever uses it later. So
// a thread that entered the namespace makes sockets for the workers, which stay outside. To spare
// them the wait it keeps a pool of each kind that was ever asked for, and refills it in batches
// when less than half is left. Who finds a pool empty waits, for at most kPoolPatienceMs.
//
// Idle sockets are paid for out of the budget of descriptors like everything else, but only with
// what is left over: a socket somebody waits for has been paid for by them. Where descriptors have
// run out, shrink() closes what is idle.
//
// The thread holds nothing of the namespace but itself: the namespace lives as long as it does.
#pragma once

#include "base/result.h"
#include "relay/limits.h"
#include "relay/socket_source.h"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace rk::relay {

class NetnsSource final : public SocketSource {
 public:
    /// What the sockets may be bound to: the namespace's own addresses, or any (IP_TRANSPARENT,
    /// which needs CAP_NET_ADMIN there for as long as sockets are made).
    enum class Addresses : std::uint8_t { kLocal, kAny };

    /// Starts the thread and waits until it has entered `network`, which needs CAP_SYS_ADMIN there
    /// and in this process' user namespace. The descriptor is not needed any more afterwards.
    [[nodiscard]] static Result<std::unique_ptr<NetnsSource>> start(sys::FdRef network,
                                                                    Addresses addresses);
    ~NetnsSource() override;

    [[nodiscard]] sys::Fd take(wire::Transport transport, int family) override;
    void attach(Budget& fds) override;
    void detach() override;
    void shrink() override;
    /// Runs `work` in the source's thread and waits for its end; once attached, takes wait with it.
    [[nodiscard]] Result<void> perform(const std::function<Result<void>()>& work) override;

 private:
    struct Job {
        const std::function<Result<void>()>& work;
        Result<void> outcome;
        bool done = false;
    };
    struct Pool {
        wire::Transport transport = wire::Transport::kTcp;
        int family = 0;
        std::vector<sys::Fd> idle;
        bool wanted = false;  // to be filled
        std::size_t waiting = 0;
        std::uint64_t failures = 0;  // each ends the wait of all who wait
        int code = 0;                // of the last one
    };

    explicit NetnsSource(Addresses addresses);
    void serve();
    [[nodiscard]] Pool* needy();
    void refill(Pool& pool, std::unique_lock<std::mutex>& lock);
    [[nodiscard]] std::size_t pay(const Pool& pool);
    [[nodiscard]] int make(const Pool& pool, std::size_t count,
                           std::array<sys::Fd, kPoolBatch>& made) const;
    [[nodiscard]] bool wait_for_one(Pool& pool, std::unique_lock<std::mutex>& lock);
    [[nodiscard]] Pool& pool_of(wire::Transport transport, int family);
    void drop_idle();

    const Addresses addresses_;
    std::mutex mutex_;
    std::condition_variable wake_;   // the thread: there is something to do
    std::condition_variable ready_;  // the others: something was done
    std::array<Pool, 4> pools_;
    std::size_t size_ = kPoolSockets;
    Budget* fds_ = nullptr;
    Job* job_ = nullptr;
    bool refilling_ = false;
    bool stopping_ = false;
    std::thread thread_;  // last: it uses all of the above
};

}  // namespace rk::relay
