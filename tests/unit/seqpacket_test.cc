// SPDX-License-Identifier: Apache-2.0
#include "sys/seqpacket.h"

#include "sys/file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::sys {
namespace {

Deadline soon() {
    return Deadline::after(std::chrono::milliseconds(50));
}

std::pair<Fd, Fd> connected() {
    auto ends = seqpacket_pair();
    EXPECT_TRUE(ends);
    return ends ? std::move(*ends) : std::pair<Fd, Fd>();
}

std::size_t open_descriptors() {
    return list_directory("/proc/self/fd")->size();
}

TEST(SeqpacketDescriptors, ArriveCloseOnExec) {
    const auto [left, right] = connected();
    const Fd file = *open_file("/dev/null", O_RDWR);
    const std::vector<FdRef> sent = {file, file};
    ASSERT_TRUE(send_packet_with(left, "two", sent, soon()));
    const auto got = receive_packet_with(right, 16);
    ASSERT_TRUE(got && *got);
    EXPECT_EQ((*got)->packet, "two");
    ASSERT_EQ((*got)->descriptors.size(), 2U);
    for (const Fd& fd : (*got)->descriptors) {
        EXPECT_EQ(::fcntl(fd.number(), F_GETFD), FD_CLOEXEC);
    }
}

TEST(SeqpacketDescriptors, NoneAndNothingAndEnd) {
    auto [left, right] = connected();
    EXPECT_FALSE(*receive_packet_with(right, 16));
    ASSERT_TRUE(send_packet_with(left, "none", {}, soon()));
    EXPECT_TRUE((*receive_packet_with(right, 16))->descriptors.empty());
    left.reset();
    EXPECT_EQ((*receive_packet_with(right, 16))->packet, "");
    EXPECT_EQ(send_packet_with(right, "x", {}, soon()).error().code, EPIPE);
}

TEST(SeqpacketDescriptors, RefusesTooManyAndClosesWhatCame) {
    const auto [left, right] = connected();
    const Fd file = *open_file("/dev/null", O_RDWR);
    const std::vector<FdRef> many(kMaxPacketDescriptors + 1, FdRef(file.number()));
    EXPECT_EQ(send_packet_with(left, "x", many, soon()).error().code, EINVAL);
    EXPECT_EQ(send_packet_with(left, "", {}, soon()).error().code, EINVAL);
    // A peer that does not keep to it.
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * (kMaxPacketDescriptors + 1))] = {};
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (kMaxPacketDescriptors + 1));
    for (std::size_t i = 0; i <= kMaxPacketDescriptors; ++i) {
        const int number = file.number();
        std::memcpy(CMSG_DATA(header) + i * sizeof number, &number, sizeof number);
    }
    ASSERT_EQ(::sendmsg(left.number(), &message, 0), 1);
    const std::size_t before = open_descriptors();
    EXPECT_EQ(receive_packet_with(right, 16).error().code, EMSGSIZE);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(SeqpacketDescriptors, LongPacketIsAnErrorAndLeaksNothing) {
    const auto [left, right] = connected();
    const Fd file = *open_file("/dev/null", O_RDWR);
    const std::vector<FdRef> one = {file};
    ASSERT_TRUE(send_packet_with(left, "much too long", one, soon()));
    const std::size_t before = open_descriptors();
    EXPECT_EQ(receive_packet_with(right, 4).error().code, EMSGSIZE);
    EXPECT_EQ(open_descriptors(), before);
}

TEST(SeqpacketDescriptors, FullQueueIsATimeout) {
    const auto [left, right] = connected();
    const std::string packet(4096, 'x');
    Result<void> sent;
    while (sent) {
        sent = send_packet_with(left, packet, {}, soon());
    }
    EXPECT_EQ(sent.error().code, ETIMEDOUT);
}

}  // namespace
}  // namespace rk::sys
