// SPDX-License-Identifier: Apache-2.0
#include "wire/sock_diag.h"

#include "wire/netlink_bytes.h"

#include <array>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rk::wire {

namespace {

using Bytes = std::span<const std::byte>;

constexpr int kMaxErrno = 4095;

// UDP sockets without a peer are in TCP's closed state (net/ipv4/udp.c).
constexpr std::uint32_t waiting_states(DiagProtocol protocol) {
    return 1U << (protocol == DiagProtocol::kTcp ? TCP_LISTEN : TCP_CLOSE);
}

std::optional<model::IpAddress> address_of(const inet_diag_msg& socket) {
    if (socket.idiag_family == AF_INET) {
        return model::IpAddress::v4(ntohl(socket.id.idiag_src[0]));
    }
    if (socket.idiag_family != AF_INET6) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 16> bytes{};
    static_assert(sizeof socket.id.idiag_src == bytes.size());
    std::memcpy(bytes.data(), &socket.id.idiag_src[0], bytes.size());
    return model::IpAddress(bytes);
}

std::optional<DiagContent> take_socket(Bytes body) {
    const auto fixed = read_netlink<inet_diag_msg>(body);
    const auto address = fixed ? address_of(*fixed) : std::nullopt;
    if (!address) {
        return std::nullopt;
    }
    WaitingSocket socket;
    socket.local = {*address, ntohs(fixed->id.idiag_sport)};
    socket.device = fixed->id.idiag_if;
    socket.connected = fixed->id.idiag_dport != 0;
    Bytes attributes = after_netlink(body, sizeof(inet_diag_msg));
    while (!attributes.empty()) {
        const auto attribute = take_netlink_attribute(attributes);
        if (!attribute) {
            return std::nullopt;
        }
        if ((attribute->header.nla_type & NLA_TYPE_MASK) == INET_DIAG_SKV6ONLY) {
            const auto value = read_netlink<std::uint8_t>(attribute->content);
            if (!value) {
                return std::nullopt;
            }
            socket.v6_only = *value != 0;
        }
    }
    return socket;
}

// Of NLMSG_ERROR and NLMSG_DONE alike: 0 or a negative errno. A bare NLMSG_DONE is a good one.
std::optional<DiagContent> take_end(std::uint16_t type, Bytes body) {
    const auto code = read_netlink<std::int32_t>(body);
    if (!code && type == NLMSG_DONE && body.empty()) {
        return DiagEnd{};
    }
    if (!code || *code > 0 || *code < -kMaxErrno) {
        return std::nullopt;
    }
    return DiagEnd{-*code};
}

}  // namespace

std::string waiting_sockets_request(DiagFamily family, DiagProtocol protocol,
                                    std::uint32_t sequence) {
    struct Request {
        nlmsghdr header{};
        inet_diag_req_v2 body{};
    } request;
    static_assert(sizeof(Request) == sizeof(nlmsghdr) + sizeof(inet_diag_req_v2));
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = sequence;
    request.body.sdiag_family = family == DiagFamily::kIpv4 ? AF_INET : AF_INET6;
    request.body.sdiag_protocol = protocol == DiagProtocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
    request.body.idiag_states = waiting_states(protocol);
    std::string bytes(sizeof request, '\0');
    std::memcpy(bytes.data(), &request, sizeof request);
    return bytes;
}

std::optional<DiagMessage> DiagReader::next() {
    while (!rest_.empty()) {
        const auto taken = take_netlink_message(rest_);
        if (!taken) {
            ++rejected_;
            rest_ = {};
            break;
        }
        const std::uint16_t type = taken->header.nlmsg_type;
        std::optional<DiagContent> content;
        if (type == SOCK_DIAG_BY_FAMILY) {
            content = take_socket(taken->content);
        } else if (type == NLMSG_ERROR || type == NLMSG_DONE) {
            content = take_end(type, taken->content);
        } else {
            continue;
        }
        if (content) {
            return DiagMessage{taken->header.nlmsg_seq, *content};
        }
        ++rejected_;
    }
    return std::nullopt;
}

}  // namespace rk::wire
