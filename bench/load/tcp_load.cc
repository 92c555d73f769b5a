// SPDX-License-Identifier: Apache-2.0
//
// TCP load for bench/net, one thread and one epoll loop on either side.
//   tcp_load serve ADDRESS PORT     answers 'C' with a byte and the end of the stream, every 'K'
//   with a byte tcp_load run HOST PORT close|keep AT_ONCE SECONDS [COUNT]
//       close: connect, one request, read to the end, again; keep: requests on AT_ONCE connections.
//       Ends after SECONDS or COUNT requests and prints what was done and how long a request took.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kBacklog = 4096;
constexpr int kEvents = 256;
constexpr int kIdleMilliseconds = 20;
constexpr std::chrono::seconds kStuck{5};  // a request without an answer for this long has failed

sockaddr_in name_of(const char* host, const char* port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET, host, &name.sin_addr);
    return name;
}

int new_socket() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

void watch(int epoll, int fd, std::uint32_t what, std::uint64_t tag) {
    epoll_event event{};
    event.events = what;
    event.data.u64 = tag;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        std::perror("epoll_ctl");
        std::exit(1);
    }
}

// ---- the server

void serve_one(int fd) {
    std::array<char, 4096> room{};
    const ssize_t got = read(fd, room.data(), room.size());
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0 || room[0] == 'C') {
        if (got > 0) {
            send(fd, "y", 1, MSG_NOSIGNAL);
        }
        close(fd);
        return;
    }
    send(fd, room.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
}

void accept_all(int epoll, int listener) {
    for (;;) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        const int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        watch(epoll, fd, EPOLLIN, static_cast<std::uint64_t>(fd));
    }
}

int serve(const char* address, const char* port) {
    const int listener = new_socket();
    const int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in name = name_of(address, port);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name) < 0 ||
        listen(listener, kBacklog) < 0) {
        std::perror("listen");
        return 1;
    }
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener, EPOLLIN, static_cast<std::uint64_t>(listener));
    std::array<epoll_event, kEvents> events{};
    for (;;) {
        const int count = epoll_wait(epoll, events.data(), kEvents, -1);
        for (int i = 0; i < count; ++i) {
            const int fd = static_cast<int>(events[static_cast<unsigned>(i)].data.u64);
            if (fd == listener) {
                accept_all(epoll, listener);
            } else {
                serve_one(fd);
            }
        }
    }
}

// ---- the clients

struct Slot {
    int fd = -1;
    bool asked = false;
    bool answered = false;
    Clock::time_point since{};
};

class Clients {
 public:
    Clients(const sockaddr_in& server, bool keep, std::size_t at_once, std::uint64_t count)
        : server_(server), keep_(keep), count_(count), epoll_(epoll_create1(0)), slots_(at_once) {}

    void run(double seconds) {
        const auto begin = Clock::now();
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            begin_connection(i);
        }
        std::array<epoll_event, kEvents> events{};
        for (;;) {
            elapsed_ = std::chrono::duration<double>(Clock::now() - begin).count();
            if (elapsed_ >= seconds || times_.size() >= count_) {
                return;
            }
            const int got = epoll_wait(epoll_, events.data(), kEvents, kIdleMilliseconds);
            for (int i = 0; i < got; ++i) {
                const epoll_event& event = events[static_cast<unsigned>(i)];
                on_event(event.data.u64, event.events);
            }
            if (got == 0) {
                give_up_stuck_ones();
            }
        }
    }

    void report() {
        std::sort(times_.begin(), times_.end());
        std::printf("{\"done\": %zu, \"failed\": %llu, \"seconds\": %.4f", times_.size(),
                    static_cast<unsigned long long>(failed_), elapsed_);
        for (const int part : {50, 90, 99}) {
            const std::size_t at = times_.size() * static_cast<std::size_t>(part) / 100;
            std::printf(", \"p%d_us\": %.1f", part,
                        times_.empty() ? 0.0 : static_cast<double>(times_[at]));
        }
        std::printf("}\n");
    }

 private:
    void begin_connection(std::size_t at) {
        Slot& slot = slots_[at];
        slot = {.fd = new_socket(), .asked = false, .answered = false, .since = Clock::now()};
        if (connect(slot.fd, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) < 0 &&
            errno != EINPROGRESS) {
            ++failed_;
        }
        watch(epoll_, slot.fd, EPOLLIN | EPOLLOUT | EPOLLET, at);
    }

    void again(std::size_t at) {
        close(slots_[at].fd);
        begin_connection(at);
    }

    void on_event(std::size_t at, std::uint32_t what) {
        Slot& slot = slots_[at];
        if (!slot.asked && (what & EPOLLOUT) != 0) {
            slot.asked = true;
            send(slot.fd, keep_ ? "K" : "C", 1, MSG_NOSIGNAL);
        }
        if ((what & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0) {
            return;
        }
        for (;;) {
            char room[16];
            const ssize_t got = read(slot.fd, room, sizeof room);
            if (got < 0 && errno == EAGAIN) {
                return;
            }
            if (got > 0) {
                slot.answered = true;
                if (keep_) {
                    note(slot);
                    send(slot.fd, "K", 1, MSG_NOSIGNAL);
                }
                continue;
            }
            if (got == 0 && slot.answered && !keep_) {
                note(slot);
            } else {
                ++failed_;
            }
            return again(at);
        }
    }

    void note(Slot& slot) {
        const auto now = Clock::now();
        times_.push_back(std::chrono::duration<float, std::micro>(now - slot.since).count());
        slot.since = now;
    }

    void give_up_stuck_ones() {
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (Clock::now() - slots_[i].since > kStuck) {
                ++failed_;
                again(i);
            }
        }
    }

    sockaddr_in server_;
    bool keep_;
    std::uint64_t count_;
    int epoll_;
    std::vector<Slot> slots_;
    std::vector<float> times_;
    std::uint64_t failed_ = 0;
    double elapsed_ = 0;
};

void raise_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
    raise_limit();
    if (argc == 4 && std::string_view(argv[1]) == "serve") {
        return serve(argv[2], argv[3]);
    }
    if ((argc == 7 || argc == 8) && std::string_view(argv[1]) == "run") {
        const auto count = argc == 8 ? std::strtoull(argv[7], nullptr, 10)
                                     : std::numeric_limits<std::uint64_t>::max();
        Clients clients(name_of(argv[2], argv[3]), std::string_view(argv[4]) == "keep",
                        static_cast<std::size_t>(std::atoi(argv[5])), count);
        clients.run(std::atof(argv[6]));
        clients.report();
        return 0;
    }
    std::fputs("tcp_load serve ADDRESS PORT | run HOST PORT close|keep AT_ONCE SECONDS [COUNT]\n",
               stderr);
    return 2;
}
