// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_batch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>

namespace rk::relay {

namespace {

// More than a socket's buffer holds, if each is as small as can be.
constexpr int kMostDropped = 1024;

void set_option(sys::FdRef socket, int level, int name, int value) {
    static_cast<void>(::setsockopt(socket.number(), level, name, &value, sizeof value));
}

template <typename T>
T payload(const cmsghdr& header) {
    T value{};
    std::memcpy(&value, CMSG_DATA(&header), sizeof value);
    return value;
}

void read_control(const cmsghdr& header, Datagram& datagram) {
    if (header.cmsg_level == SOL_UDP && header.cmsg_type == UDP_GRO) {
        const int size = payload<int>(header);
        datagram.segment = size > 0 ? static_cast<std::size_t>(size) : 0;
    } else if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_PKTINFO) {
        datagram.local = ip_address(payload<in_pktinfo>(header).ipi_addr);
    } else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_PKTINFO) {
        datagram.local = ip_address(payload<in6_pktinfo>(header).ipi6_addr);
    } else if (header.cmsg_level == IPPROTO_IP && header.cmsg_type == IP_ORIGDSTADDR) {
        const auto asked = payload<sockaddr_in>(header);
        datagram.local = ip_address(asked.sin_addr);
        datagram.local_port = ntohs(asked.sin_port);
    } else if (header.cmsg_level == IPPROTO_IPV6 && header.cmsg_type == IPV6_ORIGDSTADDR) {
        const auto asked = payload<sockaddr_in6>(header);
        datagram.local = ip_address(asked.sin6_addr);
        datagram.local_port = ntohs(asked.sin6_port);
    }
}

}  // namespace

bool Datagram::same_flow(const Datagram& other) const {
    return peer.length == other.peer.length &&
           std::memcmp(&peer.any, &other.peer.any, peer.length) == 0 && local == other.local &&
           local_port == other.local_port;
}

UdpBatch::UdpBatch()
    : memory_(std::make_unique_for_overwrite<std::byte[]>(kUdpBatch * kUdpSlotBytes)) {
    for (std::size_t i = 0; i < kUdpBatch; ++i) {
        parts_.at(i) = {.iov_base = memory_.get() + i * kUdpSlotBytes, .iov_len = kUdpSlotBytes};
        headers_.at(i).msg_hdr.msg_iov = &parts_.at(i);
        headers_.at(i).msg_hdr.msg_iovlen = 1;
    }
}

void UdpBatch::prepare(Senders senders) {
    const std::size_t slots = senders == prepared_ ? stale_ : kUdpBatch;
    prepared_ = senders;
    for (std::size_t i = 0; i < slots; ++i) {
        msghdr& header = headers_[i].msg_hdr;
        header.msg_name = senders == Senders::kAsked ? &datagrams_[i].peer.any : nullptr;
        header.msg_namelen = senders == Senders::kAsked ? sizeof(sockaddr_in6) : 0;
        header.msg_control = controls_[i].bytes.data();
        header.msg_controllen = controls_[i].bytes.size();
        header.msg_flags = 0;
    }
}

void UdpBatch::parse(std::size_t slot, Senders senders) {
    msghdr& header = headers_[slot].msg_hdr;
    Datagram& datagram = datagrams_[slot];
    datagram.bytes = {memory_.get() + slot * kUdpSlotBytes, headers_[slot].msg_len};
    datagram.segment = 0;
    datagram.local_port = 0;
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr;
         item = CMSG_NXTHDR(&header, item)) {
        read_control(*item, datagram);
    }
    if (datagram.segment >= datagram.bytes.size()) {
        datagram.segment = 0;
    }
    if (senders == Senders::kAsked) {
        datagram.peer.length = header.msg_namelen;
    }
}

std::span<const Datagram> UdpBatch::receive(sys::FdRef socket, Senders senders, bool& refused) {
    prepare(senders);
    int count = ::recvmmsg(socket.number(), headers_.data(), kUdpBatch, MSG_DONTWAIT, nullptr);
    if (count < 0) {
        refused = errno == ECONNREFUSED;
        count = 0;
    }
    const auto received = static_cast<std::size_t>(count);
    // Where fewer came than asked for, the kernel may have tried one more.
    stale_ = std::min(received + 1, kUdpBatch);
    for (std::size_t i = 0; i < received; ++i) {
        parse(i, senders);
    }
    return {datagrams_.data(), received};
}

void prepare_udp_socket(sys::FdRef socket, int family) {
    if (family == AF_INET) {
        set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
    } else {
        set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    prepare_flow_socket(socket);
    const int flags = ::fcntl(socket.number(), F_GETFL);
    static_cast<void>(::fcntl(socket.number(), F_SETFL, flags | O_NONBLOCK));
}

void prepare_transparent_socket(sys::FdRef socket, int family) {
    if (family == AF_INET) {
        set_option(socket, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    } else {
        set_option(socket, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1);
    }
    prepare_flow_socket(socket);
}

// The kernel cuts what is too much down to net.core.rmem_max and wmem_max, and doubles it: that
// alone is twice the default.
void prepare_flow_socket(sys::FdRef socket) {
    set_option(socket, SOL_UDP, UDP_GRO, 1);
    set_option(socket, SOL_SOCKET, SO_RCVBUF, kUdpSocketBytes);
    set_option(socket, SOL_SOCKET, SO_SNDBUF, kUdpSocketBytes);
}

void drop_received(sys::FdRef socket) {
    for (int i = 0; i < kMostDropped; ++i) {
        const ssize_t got = ::recv(socket.number(), nullptr, 0, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) {
            return;
        }
    }
}

}  // namespace rk::relay
