// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: design of the relay in docs/ARCHITECTURE.md; the TCP half in tcp_engine.h
// and tcp_pump.h, the UDP half in udp_engine.h and udp_sender.h. One process, a few threads, each
// with an epoll loop (worker.h). Threads share only what is in shared.h and the ports (port.h). A
// connection, flow or buffer belongs to one thread for its life, so the data path has no locks.
#include "relay/relay.h"

#include "relay/worker.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/resource.h>

namespace rk::relay {

namespace {

// Two descriptors a connection: the customary soft limit of 1024 is for select(2), which nobody
// here uses. Kept to what a program without a limit would get where the hard one is absurd.
std::size_t raise_fd_limit() {
    constexpr rlim_t kEnough = rlim_t{1} << 20U;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return 1024;
    }
    const rlim_t wanted = std::min(limit.rlim_max, kEnough);
    if (limit.rlim_cur < wanted) {
        const rlimit raised{.rlim_cur = wanted, .rlim_max = limit.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return static_cast<std::size_t>(std::min(limit.rlim_cur, kEnough));
}

// The first worker runs in the calling thread; the destructor stops and joins the others.
class Crew {
 public:
    explicit Crew(Shared& shared) : shared_(shared) {}
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    ~Crew() {
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            shared_.mailboxes.at(i + 1)->post(StopCommand{});
        }
        for (std::thread& thread : threads_) {
            thread.join();
        }
    }

    Result<void> hire(std::unique_ptr<Worker> worker) {
        try {
            threads_.emplace_back([worker = std::move(worker), this] {
                if (const auto outcome = worker->run(); !outcome) {
                    shared_.log(LogLevel::kError, outcome.error().message);
                }
            });
        } catch (const std::system_error& error) {
            return fail(errno_error(error.code().value(), "start a thread of the relay"));
        }
        return {};
    }

 private:
    Shared& shared_;
    std::vector<std::thread> threads_;
};

Result<std::unique_ptr<Worker>> make_worker(Shared& shared, const RelayParts& parts,
                                            unsigned number, ChannelServer* channel) {
    Poller poller = TRY(Poller::create());
    shared.fds.charge(2);
    auto worker = std::make_unique<Worker>(shared, std::move(poller), number, channel);
    TRY(worker->prepare(parts.make_guest));
    return worker;
}

// Lends the sources the budget of descriptors for as long as there is one.
class AttachedSources {
 public:
    AttachedSources(Shared& shared, SocketSources sources) : shared_(shared) {
        if (sources.child == nullptr) {
            sources.child = std::make_shared<DirectSource>();
        }
        shared.sources = std::move(sources);
        shared.sources.each([&](SocketSource& source) { source.attach(shared_.fds); });
    }
    AttachedSources(const AttachedSources&) = delete;
    AttachedSources& operator=(const AttachedSources&) = delete;
    ~AttachedSources() {
        shared_.sources.each([](SocketSource& source) { source.detach(); });
    }

 private:
    Shared& shared_;
};

Result<void> open_local_ports(Shared& shared, const RelayParts& parts) {
    if (parts.local_ports.size() > wire::kMaxLocalPorts) {
        return fail(errno_error(EINVAL, "more local ports than the relay tells about"));
    }
    for (const auto& port : parts.local_ports) {
        if (port->id < kFirstLocalPort) {
            return fail(errno_error(EINVAL, "a local port with a published port's id"));
        }
        if (port->totals == nullptr) {
            port->totals = std::make_shared<PortTotals>(port->id, shared.workers);
        }
        port->local = true;
        prepare_port(*port);
        shared.fds.charge(1);
        for (const auto& mailbox : shared.mailboxes) {
            mailbox->post(AddCommand{port});
        }
    }
    return {};
}

}  // namespace

unsigned worker_count(const RelayLimits& limits) {
    unsigned wanted = limits.workers;
    if (wanted == 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        wanted = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0
                     ? static_cast<unsigned>(CPU_COUNT(&cpus))
                     : 1;
    }
    return std::clamp(wanted, 1U, kMaxWorkers);
}

Result<void> run(sys::Fd channel, const RelayLimits& limits, const RelayParts& parts) {
    // splice(2) to a socket that was closed raises SIGPIPE, and has no flag against it.
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    const unsigned workers = worker_count(limits);
    Shared shared(limits, workers, raise_fd_limit());
    for (unsigned i = 0; i < workers; ++i) {
        shared.mailboxes.push_back(TRY(Mailbox::create()));
    }
    const AttachedSources attached(shared, parts.sources);
    TRY(open_local_ports(shared, parts));
    ChannelServer server(shared, parts, std::move(channel));
    const auto first = TRY(make_worker(shared, parts, 0, &server));
    // All are made before any runs, so that guests may get to know each other.
    std::vector<std::unique_ptr<Worker>> others;
    for (unsigned i = 1; i < workers; ++i) {
        others.push_back(TRY(make_worker(shared, parts, i, nullptr)));
    }
    Crew crew(shared);
    for (auto& worker : others) {
        TRY(crew.hire(std::move(worker)));
    }
    return first->run();
}

}  // namespace rk::relay
