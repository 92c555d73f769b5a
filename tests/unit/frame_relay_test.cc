// SPDX-License-Identifier: Apache-2.0
//
// A socket of packets stands for the tap: it too gives and takes one frame a call.
#include "relay/frame_relay.h"

#include "sys/process.h"
#include "wire/vpnkit.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::relay {
namespace {

using std::string_literals::operator""s;

struct Ends {
    sys::Fd ours;
    sys::Fd theirs;
};

Ends make_ends(int type) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()), 0);
    EXPECT_EQ(::fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    return {sys::Fd(fds[0]), sys::Fd(fds[1])};
}

std::string framed(std::string_view frame) {
    const auto length = wire::vpnkit_length(frame.size());
    return std::string(length.begin(), length.end()) + std::string(frame);
}

// Runs the relay in a process of its own; ends it at the end.
struct FrameRelayTest : ::testing::Test {
    Ends tap = make_ends(SOCK_SEQPACKET);
    Ends stream = make_ends(SOCK_STREAM);
    pid_t pid = 0;

    void start(std::string_view received = "") {
        pid = *sys::clone_process(0);
        if (pid == 0) {
            tap.ours.reset();
            stream.ours.reset();
            const Result<void> ended = relay_frames(tap.theirs, stream.theirs, received);
            ::_exit(ended.error().message == "vpnkit has closed the connection" ? 7 : 1);
        }
        tap.theirs.reset();
        stream.theirs.reset();
    }
    void TearDown() override {
        if (pid != 0) {
            sys::kill_hard(pid);
            sys::wait_for_exit(pid);
        }
    }
    // Waits at most that long; "" where nothing comes.
    static std::string receive(const sys::Fd& fd, std::size_t most = 70000, int wait_ms = 5000) {
        pollfd ready{fd.number(), POLLIN, 0};
        std::string bytes(most, '\0');
        const bool there = ::poll(&ready, 1, wait_ms) == 1;
        const ssize_t got = there ? ::recv(fd.number(), bytes.data(), bytes.size(), 0) : 0;
        bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return bytes;
    }
    static std::string receive_all(const sys::Fd& fd, std::size_t count) {
        std::string bytes;
        while (bytes.size() < count) {
            const std::string more = receive(fd, count - bytes.size());
            if (more.empty()) {
                break;
            }
            bytes += more;
        }
        return bytes;
    }
    static void send(const sys::Fd& fd, std::string_view bytes) {
        ASSERT_EQ(::send(fd.number(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
    }
};

TEST_F(FrameRelayTest, FramesOfTheTapGetTheirLength) {
    start();
    std::string expected;
    for (const std::size_t size : {14U, 1514U, 65535U, 60U}) {
        const std::string frame(size, static_cast<char>('a' + size % 20));
        send(tap.ours, frame);
        expected += framed(frame);
    }
    EXPECT_EQ(receive_all(stream.ours, expected.size()), expected);
}

TEST_F(FrameRelayTest, FramesOfTheStreamAreTakenApart) {
    start();
    send(stream.ours, framed("first") + framed("second") + framed(std::string(65535, 'x')));
    EXPECT_EQ(receive(tap.ours), "first");
    EXPECT_EQ(receive(tap.ours), "second");
    EXPECT_EQ(receive(tap.ours).size(), 65535U);
}

TEST_F(FrameRelayTest, PiecesOfAFrameArePutTogether) {
    start();
    for (const char c : framed("piece by piece")) {
        send(stream.ours, {&c, 1});
    }
    EXPECT_EQ(receive(tap.ours), "piece by piece");
}

TEST_F(FrameRelayTest, WhatWasReceivedBeforeComesFirst) {
    start(framed("before") + framed("cut").substr(0, 3));
    EXPECT_EQ(receive(tap.ours), "before");
    send(stream.ours, "ut");
    EXPECT_EQ(receive(tap.ours), "cut");
}

TEST_F(FrameRelayTest, AStreamThatIsFullLosesNothingThatWasRead) {
    start();
    const std::string frame(1514, 'f');
    std::size_t count = 0;
    // Until everything on the way is full: the stream's queue, the relay's buffer, the tap's queue.
    pollfd room{tap.ours.number(), POLLOUT, 0};
    while (::poll(&room, 1, 200) == 1 && count < 100000) {
        send(tap.ours, frame);
        ++count;
    }
    ASSERT_LT(count, 100000U);
    const std::string all = receive_all(stream.ours, count * framed(frame).size());
    std::string_view rest = all;
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(wire::take_vpnkit_frame(rest), frame) << i;
    }
    send(stream.ours, framed("and the other way"));
    EXPECT_EQ(receive(tap.ours), "and the other way");
}

TEST_F(FrameRelayTest, AFullStreamDoesNotStopTheOtherDirection) {
    start();
    pollfd room{tap.ours.number(), POLLOUT, 0};
    while (::poll(&room, 1, 200) == 1) {
        send(tap.ours, std::string(1514, 'f'));
    }
    send(stream.ours, framed("through"));
    EXPECT_EQ(receive(tap.ours), "through");
}

TEST_F(FrameRelayTest, TheEndOfTheStreamIsTheEnd) {
    start();
    stream.ours.reset();
    const sys::ExitStatus status = sys::wait_for_exit(pid);
    pid = 0;
    EXPECT_EQ(status.text(), "exit status 7");
}

}  // namespace
}  // namespace rk::relay
