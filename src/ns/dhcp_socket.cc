// SPDX-License-Identifier: Apache-2.0
#include "ns/dhcp_socket.h"

#include "ns/network_namespace.h"
#include "sys/seqpacket.h"
#include "wire/udp_packet.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

constexpr std::size_t kLongestPacket = 65536;  // bytes; an IP packet is shorter
constexpr int kMostPerCall = 64;               // packets looked at before others get a turn
constexpr std::chrono::seconds kHandOver{5};   // between two processes on the same machine
constexpr std::uint16_t kUnusedType = 0x0801;  // X.75 over Ethernet, which nobody speaks

// UDP to port 68, not a later fragment; the socket's packets begin with the IP header.
std::array<sock_filter, 9> filter_program() {
    constexpr std::uint32_t kProtocolOffset = 9;
    constexpr std::uint32_t kFragmentOffset = 6;
    constexpr std::uint32_t kFragmentMask = 0x1fff;
    constexpr std::uint32_t kDestinationOffset = 2;
    return {{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kProtocolOffset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 5),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kFragmentOffset),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kFragmentMask, 3, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, kDestinationOffset),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wire::kDhcpClientPort, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, kLongestPacket),
    }};
}

// A close-on-exec packet socket that nothing arrives at yet: it has no EtherType before bind(2).
Result<sys::Fd> make_socket() {
    sys::Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) {
        return fail(errno_error(errno, "packet socket"));
    }
    auto program = filter_program();
    const sock_fprog filter{static_cast<std::uint16_t>(program.size()), program.data()};
    const int on = 1;
    if (::setsockopt(socket.number(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ||
        ::setsockopt(socket.number(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0) {
        return fail(errno_error(errno, "packet socket"));
    }
    return socket;
}

Result<void> bind_to(const sys::Fd& socket, int index, std::uint16_t type) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(type);
    address.sll_ifindex = index;
    // NOLINTNEXTLINE(*-reinterpret-cast): kernel ABI
    if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail(errno_error(errno, "bind packet socket"));
    }
    return {};
}

Result<sys::Fd> open_here(const std::string& device) {
    const unsigned index = ::if_nametoindex(device.c_str());
    if (index == 0) {
        return fail(errno_error(errno, "find it"));
    }
    sys::Fd socket = TRY(make_socket());
    TRY(bind_to(socket, static_cast<int>(index), kUnusedType));
    return socket;
}

// Opens it in a process that is in the namespace, and takes it over.
Result<sys::Fd> open_there(const sys::Fd& netns, const std::string& device) {
    const auto [ours, theirs] = TRY(sys::seqpacket_pair());
    const sys::FdRef sender = theirs;
    const auto open_and_send = [&]() -> Result<void> {
        const sys::Fd socket = TRY(open_here(device));
        const std::array<sys::FdRef, 1> descriptors{socket};
        return sys::send_packet_with(sender, "s", descriptors, sys::Deadline::after(kHandOver));
    };
    TRY(in_network_namespace(netns, open_and_send));
    auto packet = TRY(sys::receive_packet_with(ours, 1));
    if (!packet || packet->descriptors.size() != 1) {
        return fail("no socket came from the namespace");
    }
    return std::move(packet->descriptors.front());
}

// What came with a packet: whether its checksum is still to be made by the (virtual) hardware.
bool checksum_ready(msghdr& message) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        tpacket_auxdata data{};
        if (header->cmsg_level == SOL_PACKET && header->cmsg_type == PACKET_AUXDATA &&
            header->cmsg_len >= CMSG_LEN(sizeof data)) {
            std::memcpy(&data, CMSG_DATA(header), sizeof data);
            return (data.tp_status & TP_STATUS_CSUMNOTREADY) == 0;
        }
    }
    return true;
}

struct Packet {
    std::string bytes;
    model::MacAddress from{};
    bool checksummed = true;
};

// The next packet; an error with EAGAIN where there is none.
Result<Packet> next_packet(sys::FdRef socket) {
    Packet packet;
    packet.bytes.resize(kLongestPacket);
    sockaddr_ll from{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
    iovec part{packet.bytes.data(), packet.bytes.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t length = ::recvmsg(socket.number(), &message, 0);
    if (length < 0) {
        return fail(errno_error(errno, "receive"));
    }
    packet.bytes.resize(static_cast<std::size_t>(length));
    std::copy_n(&from.sll_addr[0], packet.from.size(), packet.from.begin());
    packet.checksummed = checksum_ready(message);
    return packet;
}

std::optional<DhcpSocket::Arrival> parse(const Packet& packet) {
    const auto datagram =
        wire::decode_udp_packet(packet.bytes, packet.checksummed ? wire::UdpChecksum::kVerified
                                                                 : wire::UdpChecksum::kIgnored);
    if (!datagram || datagram->to.port != wire::kDhcpClientPort) {
        return std::nullopt;
    }
    auto reply = wire::decode_dhcp(datagram->payload);
    if (!reply) {
        return std::nullopt;
    }
    return DhcpSocket::Arrival{*std::move(reply), packet.from};
}

}  // namespace

Result<DhcpSocket> DhcpSocket::open(const sys::Fd& netns, const std::string& device) {
    sys::Fd socket = TRY(netns.valid() ? open_there(netns, device) : open_here(device));
    // The kernel fills in which interface it is, and its address.
    sockaddr_ll bound{};
    socklen_t length = sizeof bound;
    // NOLINTNEXTLINE(*-reinterpret-cast): kernel ABI
    if (::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&bound), &length) < 0) {
        return fail(errno_error(errno, "getsockname"));
    }
    model::MacAddress mac{};
    if (bound.sll_hatype != ARPHRD_ETHER || bound.sll_halen != mac.size()) {
        return fail("{} is no Ethernet interface", device);
    }
    std::copy_n(&bound.sll_addr[0], mac.size(), mac.begin());
    return DhcpSocket(std::move(socket), bound.sll_ifindex, mac);
}

Result<void> DhcpSocket::listen(bool on) {
    return bind_to(socket_, index_, on ? ETH_P_IP : kUnusedType);
}

Result<void> DhcpSocket::broadcast(const wire::DhcpQuery& query) const {
    return send(model::IpAddress::v4(INADDR_BROADCAST), model::kBroadcastMac, query);
}

Result<void> DhcpSocket::send_to(const model::IpAddress& server, const model::MacAddress& mac,
                                 const wire::DhcpQuery& query) const {
    return send(server, mac, query);
}

Result<void> DhcpSocket::send(const model::IpAddress& to, const model::MacAddress& mac,
                              const wire::DhcpQuery& query) const {
    const std::string payload = wire::encode_dhcp(query);
    const model::IpAddress from = query.client_address.value_or(model::IpAddress::v4(INADDR_ANY));
    const std::string packet = TRY(wire::encode_udp_packet(
        {{from, wire::kDhcpClientPort}, {to, wire::kDhcpServerPort}, payload}));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_IP);
    address.sll_ifindex = index_;
    address.sll_halen = static_cast<unsigned char>(mac.size());
    std::copy(mac.begin(), mac.end(), &address.sll_addr[0]);
    if (::sendto(socket_.number(), packet.data(), packet.size(), 0,
                 // NOLINTNEXTLINE(*-reinterpret-cast): kernel ABI
                 reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail(errno_error(errno, "send"));
    }
    return {};
}

std::optional<DhcpSocket::Arrival> DhcpSocket::receive() const {
    for (int i = 0; i < kMostPerCall; ++i) {
        const Result<Packet> packet = next_packet(socket_);
        if (!packet && packet.error().code == EAGAIN) {
            return std::nullopt;
        }
        if (!packet) {
            continue;  // told once: the interface is down, for instance
        }
        if (auto arrival = parse(*packet)) {
            return arrival;
        }
    }
    return std::nullopt;
}

}  // namespace rk::ns
