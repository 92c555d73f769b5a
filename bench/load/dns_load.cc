// SPDX-License-Identifier: Apache-2.0
//
// DNS load for bench/net.
//   dns_load serve ADDRESS PORT     answers every query with the question and one address
//   dns_load run HOST PORT new|kept AT_ONCE SECONDS
//       new: a socket for each query, as the C library does; kept: AT_ONCE sockets for all. Prints
//       what was answered, lost (no answer within a second) and how long an answer took.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
using Packet = std::array<unsigned char, 512>;
constexpr std::size_t kHeader = 12;
constexpr std::size_t kQuery = 32;  // header, name w1234567.test, type and class
constexpr int kEvents = 256;
constexpr int kIdleMilliseconds = 20;
constexpr std::chrono::seconds kLost{1};

sockaddr_in name_of(const char* host, const char* port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET, host, &name.sin_addr);
    return name;
}

int serve(const char* address, const char* port) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in name = name_of(address, port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) < 0) {
        std::perror("bind");
        return 1;
    }
    constexpr std::array<unsigned char, 16> kAnswer{0xc0, 0x0c, 0, 1, 0,   1, 0, 0,
                                                    0,    60,   0, 4, 192, 0, 2, 7};
    for (;;) {
        Packet packet{};
        sockaddr_in sender{};
        socklen_t length = sizeof sender;
        const ssize_t got = recvfrom(fd, packet.data(), packet.size() - kAnswer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&sender), &length);
        if (got < static_cast<ssize_t>(kHeader)) {
            continue;
        }
        packet[2] |= 0x80;  // a response
        packet[7] = 1;      // with one answer
        std::memcpy(packet.data() + got, kAnswer.data(), kAnswer.size());
        sendto(fd, packet.data(), static_cast<std::size_t>(got) + kAnswer.size(), 0,
               reinterpret_cast<const sockaddr*>(&sender), length);
    }
}

Packet query(std::uint16_t id, unsigned number) {
    Packet packet{};
    packet[0] = static_cast<unsigned char>(id >> 8);
    packet[1] = static_cast<unsigned char>(id & 0xff);
    packet[2] = 1;  // recursion desired
    packet[5] = 1;  // one question
    char label[10];
    std::snprintf(label, sizeof label, "w%07u", number % 10000000);
    packet[12] = 8;
    std::memcpy(packet.data() + 13, label, 8);
    packet[21] = 4;
    std::memcpy(packet.data() + 22, "test", 4);
    packet[28] = 1;  // type A
    packet[30] = 1;  // class IN
    return packet;
}

struct Slot {
    int fd = -1;
    std::uint16_t id = 0;
    Clock::time_point since{};
};

class Clients {
 public:
    Clients(const sockaddr_in& server, bool kept, std::size_t at_once)
        : server_(server), kept_(kept), epoll_(epoll_create1(0)), slots_(at_once) {}

    void run(double seconds) {
        const auto begin = Clock::now();
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            ask(i);
        }
        std::array<epoll_event, kEvents> events{};
        for (;;) {
            const auto now = Clock::now();
            elapsed_ = std::chrono::duration<double>(now - begin).count();
            if (elapsed_ >= seconds) {
                return;
            }
            const int got = epoll_wait(epoll_, events.data(), kEvents, kIdleMilliseconds);
            for (int i = 0; i < got; ++i) {
                on_answer(events[static_cast<unsigned>(i)].data.u64);
            }
            if (now - swept_ > kLost / 4) {
                swept_ = now;
                sweep(now);
            }
        }
    }

    void report() {
        std::sort(times_.begin(), times_.end());
        const auto at = [&](std::size_t part) {
            return times_.empty() ? 0.0 : static_cast<double>(times_[times_.size() * part / 100]);
        };
        std::printf(
            "{\"done\": %zu, \"failed\": %llu, \"seconds\": %.4f, \"p50_us\": %.1f, \"p99_us\": "
            "%.1f}\n",
            times_.size(), static_cast<unsigned long long>(lost_), elapsed_, at(50), at(99));
    }

 private:
    void ask(std::size_t at) {
        Slot& slot = slots_[at];
        if (slot.fd < 0 || !kept_) {
            if (slot.fd >= 0) {
                close(slot.fd);
            }
            slot.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (connect(slot.fd, reinterpret_cast<const sockaddr*>(&server_), sizeof server_) < 0) {
                std::perror("connect");
                std::exit(1);
            }
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = at;
            epoll_ctl(epoll_, EPOLL_CTL_ADD, slot.fd, &event);
        }
        slot.id = ++last_id_;
        slot.since = Clock::now();
        const Packet packet = query(slot.id, ++asked_);
        send(slot.fd, packet.data(), kQuery, 0);
    }

    void on_answer(std::size_t at) {
        Slot& slot = slots_[at];
        Packet packet{};
        const ssize_t got = recv(slot.fd, packet.data(), packet.size(), 0);
        if (got < 0) {
            if (errno != EAGAIN) {
                ++lost_;  // refused
                ask(at);
            }
            return;
        }
        if (got <= static_cast<ssize_t>(kQuery) || packet[0] != slot.id >> 8 ||
            packet[1] != (slot.id & 0xff)) {
            return;  // late
        }
        times_.push_back(
            std::chrono::duration<float, std::micro>(Clock::now() - slot.since).count());
        ask(at);
    }

    void sweep(Clock::time_point now) {
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            if (now - slots_[i].since > kLost) {
                ++lost_;
                ask(i);
            }
        }
    }

    sockaddr_in server_;
    bool kept_;
    int epoll_;
    std::vector<Slot> slots_;
    std::vector<float> times_;
    Clock::time_point swept_{};
    std::uint64_t lost_ = 0;
    std::uint16_t last_id_ = 0;
    unsigned asked_ = 0;
    double elapsed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "serve") {
        return serve(argv[2], argv[3]);
    }
    if (argc == 7 && std::string_view(argv[1]) == "run") {
        Clients clients(name_of(argv[2], argv[3]), std::string_view(argv[4]) == "kept",
                        static_cast<std::size_t>(std::atoi(argv[5])));
        clients.run(std::atof(argv[6]));
        clients.report();
        return 0;
    }
    std::fputs("dns_load serve ADDRESS PORT | run HOST PORT new|kept AT_ONCE SECONDS\n", stderr);
    return 2;
}
