// SPDX-License-Identifier: Apache-2.0
#include "relay/netns_source.h"

#include "relay/shared.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

namespace rk::relay {

namespace {

constexpr std::size_t kFewestSockets = 2;

bool make_transparent(sys::FdRef socket, int family) {
    const int on = 1;
    const bool v4 = family == AF_INET;
    return ::setsockopt(socket.number(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                        v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, sizeof on) == 0;
}

}  // namespace

Result<std::unique_ptr<NetnsSource>> NetnsSource::start(sys::FdRef network, Addresses addresses) {
    std::unique_ptr<NetnsSource> source(new NetnsSource(addresses));  // NOLINT: private constructor
    try {
        source->thread_ = std::thread([raw = source.get()] { raw->serve(); });
    } catch (const std::system_error& error) {
        return fail(errno_error(error.code().value(), "start a source of sockets"));
    }
    TRY(source->perform([network]() -> Result<void> {
        if (::setns(network.number(), CLONE_NEWNET) < 0) {
            return fail(errno_error(errno, "enter a network namespace for its sockets"));
        }
        return {};
    }));
    return source;
}

NetnsSource::NetnsSource(Addresses addresses) : addresses_(addresses) {
    std::size_t next = 0;
    for (const auto transport : {wire::Transport::kTcp, wire::Transport::kUdp}) {
        for (const int family : {AF_INET, AF_INET6}) {
            Pool& pool = pools_.at(next++);
            pool.transport = transport;
            pool.family = family;
            pool.idle.reserve(kPoolSockets + kPoolBatch);
        }
    }
}

NetnsSource::~NetnsSource() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_one();
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

Result<void> NetnsSource::perform(const std::function<Result<void>()>& work) {
    Job job{.work = work, .outcome = {}, .done = false};
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return job_ == nullptr; });
    job_ = &job;
    wake_.notify_one();
    ready_.wait(lock, [&] { return job.done; });
    return std::move(job.outcome);
}

void NetnsSource::attach(Budget& fds) {
    const std::lock_guard lock(mutex_);
    fds_ = &fds;
    size_ = std::clamp(fds.limit() / kPoolShareOfFds, kFewestSockets, kPoolSockets);
    for (const Pool& pool : pools_) {
        fds.charge(pool.idle.size());
    }
}

void NetnsSource::detach() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return !refilling_; });
    drop_idle();
    fds_ = nullptr;
}

void NetnsSource::shrink() {
    const std::lock_guard lock(mutex_);
    drop_idle();
}

void NetnsSource::drop_idle() {
    for (Pool& pool : pools_) {
        pool.wanted = false;
        if (fds_ != nullptr) {
            fds_->give(pool.idle.size());
        }
        pool.idle.clear();
    }
}

NetnsSource::Pool& NetnsSource::pool_of(wire::Transport transport, int family) {
    return pools_.at((transport == wire::Transport::kTcp ? 0U : 2U) +
                     (family == AF_INET ? 0U : 1U));
}

sys::Fd NetnsSource::take(wire::Transport transport, int family) {
    Pool& pool = pool_of(transport, family);
    std::unique_lock lock(mutex_);
    if (pool.idle.empty() && !wait_for_one(pool, lock)) {
        return {};
    }
    sys::Fd socket = std::move(pool.idle.back());
    pool.idle.pop_back();
    if (fds_ != nullptr) {
        fds_->give(1);  // whoever takes it has paid, too
    }
    if (pool.idle.size() < size_ / 2 && !pool.wanted) {
        pool.wanted = true;
        wake_.notify_one();
    }
    return socket;
}

// On failure errno says why.
bool NetnsSource::wait_for_one(Pool& pool, std::unique_lock<std::mutex>& lock) {
    const std::uint64_t failures = pool.failures;
    ++pool.waiting;
    pool.wanted = true;
    wake_.notify_one();
    const bool ended = ready_.wait_for(lock, std::chrono::milliseconds(kPoolPatienceMs), [&] {
        return !pool.idle.empty() || pool.failures != failures;
    });
    if (pool.failures == failures) {
        --pool.waiting;
    }
    if (pool.idle.empty()) {
        errno = ended ? pool.code : ETIMEDOUT;
        return false;
    }
    return true;
}

void NetnsSource::serve() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (Job* const job = job_; job != nullptr) {
            lock.unlock();
            job->outcome = job->work();
            lock.lock();
            job->done = true;
            job_ = nullptr;
            ready_.notify_all();
        } else if (Pool* const pool = needy()) {
            refill(*pool, lock);
        } else {
            wake_.wait(lock);
        }
    }
}

NetnsSource::Pool* NetnsSource::needy() {
    Pool* most = nullptr;
    for (Pool& pool : pools_) {
        if (pool.waiting > pool.idle.size()) {
            return &pool;
        }
        if (pool.wanted && most == nullptr) {
            most = &pool;
        }
    }
    return most;
}

// How many of the next batch are paid for: always those that are waited for.
std::size_t NetnsSource::pay(const Pool& pool) {
    std::size_t paid = 0;
    while (paid < kPoolBatch && pool.idle.size() + paid < std::max(size_, pool.waiting)) {
        if (pool.idle.size() + paid < pool.waiting) {
            if (fds_ != nullptr) {
                fds_->charge(1);
            }
        } else if (fds_ != nullptr && !fds_->take(1)) {
            break;
        }
        ++paid;
    }
    return paid;
}

// 0, or the errno that ended it early.
int NetnsSource::make(const Pool& pool, std::size_t count,
                      std::array<sys::Fd, kPoolBatch>& made) const {
    for (std::size_t i = 0; i < count; ++i) {
        sys::Fd socket = open_socket(pool.transport, pool.family);
        if (!socket.valid() ||
            (addresses_ == Addresses::kAny && !make_transparent(socket, pool.family))) {
            return errno;
        }
        made.at(i) = std::move(socket);
    }
    return 0;
}

void NetnsSource::refill(Pool& pool, std::unique_lock<std::mutex>& lock) {
    const std::size_t paid = pay(pool);
    std::array<sys::Fd, kPoolBatch> made;
    refilling_ = true;
    lock.unlock();
    const int code = make(pool, paid, made);
    lock.lock();
    refilling_ = false;
    std::size_t count = 0;
    for (sys::Fd& socket : made) {
        if (socket.valid()) {
            pool.idle.push_back(std::move(socket));
            ++count;
        }
    }
    if (fds_ != nullptr) {
        fds_->give(paid - count);
    }
    if (code != 0 || paid < kPoolBatch) {
        pool.wanted = false;  // full, or there is nothing to fill it with
    }
    if (code != 0 && pool.waiting > pool.idle.size()) {
        pool.code = code;
        ++pool.failures;
        pool.waiting = 0;
    }
    ready_.notify_all();
}

}  // namespace rk::relay
