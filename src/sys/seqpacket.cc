// SPDX-License-Identifier: Apache-2.0
#include "sys/seqpacket.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>

namespace rk::sys {

Result<std::pair<Fd, Fd>> seqpacket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) < 0) {
        return fail(errno_error(errno, "socketpair"));
    }
    return std::pair{Fd(ends[0]), Fd(ends[1])};
}

Result<void> send_packet(FdRef socket, std::string_view packet) {
    for (;;) {
        if (::send(socket.number(), packet.data(), packet.size(), MSG_NOSIGNAL) >= 0) {
            return {};
        }
        if (errno != EINTR) {
            return fail(errno_error(errno, "send a message"));
        }
    }
}

Result<std::optional<std::string>> receive_packet(FdRef socket, std::size_t limit) {
    std::string packet(limit, '\0');
    for (;;) {
        // MSG_TRUNC makes recv(2) return the packet's true length.
        const ssize_t got =
            ::recv(socket.number(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return std::nullopt;
        }
        if (got < 0 && errno == ECONNRESET) {
            return std::string{};  // the peer died with unread packets in its queue
        }
        if (got < 0) {
            return fail(errno_error(errno, "receive a message"));
        }
        if (static_cast<std::size_t>(got) > limit) {
            return fail(errno_error(EMSGSIZE, "receive a message"));
        }
        packet.resize(static_cast<std::size_t>(got));
        return packet;
    }
}

namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kMaxPacketDescriptors * sizeof(int));

// CMSG_NXTHDR reads the next header's length, so the whole buffer has to be zero before.
struct ControlBuffer {
    alignas(cmsghdr) std::array<char, kControlBytes> bytes{};
};

void put_descriptors(msghdr& message, ControlBuffer& control, std::span<const FdRef> descriptors) {
    const std::size_t payload = descriptors.size() * sizeof(int);
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(payload);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr) {
        return;  // cannot be: the buffer has room for a header
    }
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(payload);
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        const int number = descriptors[i].number();
        std::memcpy(CMSG_DATA(header) + i * sizeof number, &number, sizeof number);
    }
}

std::vector<Fd> take_descriptors(msghdr& message) {
    std::vector<Fd> taken;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
            header->cmsg_len < CMSG_LEN(0)) {
            continue;
        }
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
            taken.emplace_back(number);
        }
    }
    return taken;
}

// Nothing where there is no packet yet.
Result<std::optional<std::size_t>> receive_message(FdRef socket, msghdr& message) {
    for (;;) {
        const ssize_t got =
            ::recvmsg(socket.number(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno == EAGAIN) {
            return std::nullopt;
        }
        if (errno == ECONNRESET) {
            return 0;  // the peer died with unread packets in its queue
        }
        if (errno != EINTR) {
            return fail(errno_error(errno, "receive a message"));
        }
    }
}

}  // namespace

Result<void> send_packet_with(FdRef socket, std::string_view packet,
                              std::span<const FdRef> descriptors, Deadline deadline) {
    if (descriptors.size() > kMaxPacketDescriptors || packet.empty()) {
        return fail(errno_error(EINVAL, "send a message"));
    }
    iovec part{const_cast<char*>(packet.data()), packet.size()};  // NOLINT(*-const-cast): ABI
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ControlBuffer control;
    if (!descriptors.empty()) {
        put_descriptors(message, control, descriptors);
    }
    for (;;) {
        if (::sendmsg(socket.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return {};
        }
        if (errno == EAGAIN) {
            pollfd room{socket.number(), POLLOUT, 0};
            if (::poll(&room, 1, deadline.poll_timeout()) == 0) {
                return fail(errno_error(ETIMEDOUT, "send a message"));
            }
        } else if (errno != EINTR) {
            return fail(errno_error(errno, "send a message"));
        }
    }
}

Result<std::optional<PacketWithDescriptors>> receive_packet_with(FdRef socket, std::size_t limit) {
    PacketWithDescriptors result;
    result.packet.resize(limit);
    iovec part{result.packet.data(), result.packet.size()};
    ControlBuffer control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const auto got = TRY(receive_message(socket, message));
    if (!got) {
        return std::nullopt;
    }
    if (*got == 0) {
        return PacketWithDescriptors{};  // after ECONNRESET the kernel wrote no control data
    }
    result.descriptors = take_descriptors(message);
    // MSG_CTRUNC also stands for descriptors this process has no number for (unix(7)).
    if (*got > limit || (message.msg_flags & MSG_CTRUNC) != 0) {
        return fail(errno_error(EMSGSIZE, "receive a message"));
    }
    result.packet.resize(*got);
    return result;
}

}  // namespace rk::sys
