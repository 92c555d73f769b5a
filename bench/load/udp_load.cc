// SPDX-License-Identifier: Apache-2.0
//
// UDP load for bench/ports and bench/net.
//   udp_load sink ADDRESS PORT
//       Counts datagrams. One that starts with 'Q' asks for the count, one with 'B' ("BBYTES
//       SECONDS PPS") for datagrams in the other direction, one with 'S' for how many of those were
//       sent.
//   udp_load source HOST PORT BYTES SECONDS PPS
//       Sends plain datagrams (PPS 0: as fast as possible) and prints what was sent and what
//       arrived.
//   udp_load fetch HOST PORT BYTES SECONDS PPS
//       The same for the other direction.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned kBatch = 32;

sockaddr_in name_of(const char* host, const char* port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET, host, &name.sin_addr);
    return name;
}

struct Batch {
    explicit Batch(std::size_t bytes) {
        for (unsigned i = 0; i < kBatch; ++i) {
            parts[i] = {.iov_base = memory[i].data(), .iov_len = bytes};
            headers[i].msg_hdr.msg_iov = &parts[i];
            headers[i].msg_hdr.msg_iovlen = 1;
        }
    }
    std::array<std::array<char, 65536>, kBatch> memory{};
    std::array<iovec, kBatch> parts{};
    std::array<mmsghdr, kBatch> headers{};
};

// Sends to a connected socket, or to `to`, for some time; returns how many.
std::uint64_t blast(int fd, std::size_t bytes, double seconds, double rate, sockaddr_in* to) {
    static Batch batch(0);
    for (unsigned i = 0; i < kBatch; ++i) {
        batch.parts[i].iov_len = bytes;
        batch.headers[i].msg_hdr.msg_name = to;
        batch.headers[i].msg_hdr.msg_namelen = to == nullptr ? 0 : sizeof *to;
    }
    const auto begin = Clock::now();
    std::uint64_t sent = 0;
    for (;;) {
        const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
        if (elapsed >= seconds) {
            return sent;
        }
        if (rate > 0 && static_cast<double>(sent) > rate * elapsed) {
            std::this_thread::sleep_for(std::chrono::microseconds(50));
            continue;
        }
        const int done = sendmmsg(fd, batch.headers.data(), kBatch, 0);
        sent += done > 0 ? static_cast<std::uint64_t>(done) : 0;
    }
}

int sink(const char* address, const char* port) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    const sockaddr_in name = name_of(address, port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) < 0) {
        std::perror("bind");
        return 1;
    }
    static Batch batch(65536);
    std::array<sockaddr_in, kBatch> senders{};
    std::uint64_t count = 0;
    std::uint64_t blasted = 0;
    for (;;) {
        for (unsigned i = 0; i < kBatch; ++i) {
            batch.headers[i].msg_hdr.msg_name = &senders[i];
            batch.headers[i].msg_hdr.msg_namelen = sizeof senders[i];
        }
        const int got = recvmmsg(fd, batch.headers.data(), kBatch, MSG_WAITFORONE, nullptr);
        for (int i = 0; i < got; ++i) {
            const auto at = static_cast<unsigned>(i);
            const char kind = batch.memory[at][0];
            if (kind == 'B') {
                unsigned bytes = 0;
                double seconds = 0;
                double rate = 0;
                batch.memory[at][64] = 0;
                std::sscanf(batch.memory[at].data() + 1, "%u %lf %lf", &bytes, &seconds, &rate);
                blasted = blast(fd, bytes, seconds, rate, &senders[at]);
                continue;
            }
            if (kind != 'Q' && kind != 'S') {
                ++count;
                continue;
            }
            char text[32];
            text[0] = 'A';
            const int length =
                std::snprintf(text + 1, sizeof text - 1, "%llu",
                              static_cast<unsigned long long>(kind == 'Q' ? count : blasted)) +
                1;
            sendto(fd, text, static_cast<std::size_t>(length), 0,
                   reinterpret_cast<const sockaddr*>(&senders[at]), sizeof senders[at]);
        }
    }
}

// The count goes the way of the load, so it is asked again until an answer comes through.
std::uint64_t ask(int fd, const char* what) {
    const timeval patience{.tv_sec = 0, .tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int attempt = 0; attempt < 50; ++attempt) {
        send(fd, what, 1, 0);
        char text[64] = {};
        while (recv(fd, text, sizeof text - 1, 0) > 0) {
            if (text[0] == 'A') {
                while (recv(fd, text + 32, 1, MSG_DONTWAIT) > 0) {
                }
                return std::strtoull(text + 1, nullptr, 10);
            }
        }
    }
    std::fputs("the sink does not answer\n", stderr);
    std::exit(1);
}

int connected(char** argument) {
    const sockaddr_in name = name_of(argument[0], argument[1]);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) < 0) {
        std::perror("connect");
        std::exit(1);
    }
    return fd;
}

int print(std::uint64_t sent, std::uint64_t received, double seconds) {
    std::printf("{\"sent\": %llu, \"received\": %llu, \"seconds\": %.3f}\n",
                static_cast<unsigned long long>(sent), static_cast<unsigned long long>(received),
                seconds);
    return 0;
}

int source(char** argument) {
    const int fd = connected(argument);
    const double seconds = std::atof(argument[3]);
    const std::uint64_t before = ask(fd, "Q");
    const std::uint64_t sent = blast(fd, static_cast<std::size_t>(std::atoi(argument[2])), seconds,
                                     std::atof(argument[4]), nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return print(sent, ask(fd, "Q") - before, seconds);
}

int fetch(char** argument) {
    const int fd = connected(argument);
    const int room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    ask(fd, "Q");  // the way is open
    const std::string request =
        std::string("B") + argument[2] + " " + argument[3] + " " + argument[4];
    send(fd, request.data(), request.size(), 0);
    const timeval patience{.tv_sec = 0, .tv_usec = 500000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static Batch batch(2048);
    std::uint64_t received = 0;
    int got = 0;
    while ((got = recvmmsg(fd, batch.headers.data(), kBatch, MSG_WAITFORONE, nullptr)) > 0) {
        received += static_cast<std::uint64_t>(got);
    }
    return print(ask(fd, "S"), received, std::atof(argument[3]));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::string_view(argv[1]) == "sink") {
        return sink(argv[2], argv[3]);
    }
    if (argc == 7 && std::string_view(argv[1]) == "source") {
        return source(argv + 2);
    }
    if (argc == 7 && std::string_view(argv[1]) == "fetch") {
        return fetch(argv + 2);
    }
    std::fputs("udp_load sink ADDRESS PORT | source|fetch HOST PORT BYTES SECONDS PPS\n", stderr);
    return 2;
}
