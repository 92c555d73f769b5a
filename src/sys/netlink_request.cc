// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink_request.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace rk::sys {

namespace {

static_assert(sizeof(nlattr) % NLA_ALIGNTO == 0);
constexpr std::size_t kAttributeHeader = sizeof(nlattr);
// The largest acknowledgement is an error with a copy of the request, and requests are small.
constexpr std::size_t kReplyBytes = 32768;

template <typename T>
std::string_view bytes_of(const T& value) {
    // NOLINTNEXTLINE(*-reinterpret-cast): kernel ABI
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

void pad(std::string& bytes) {
    bytes.resize(NLMSG_ALIGN(bytes.size()), '\0');
}

// Begin and end of a transaction name the subsystem in res_id, in network byte order.
NetlinkMessage batch_marker(std::uint16_t type) {
    nfgenmsg body{};
    body.nfgen_family = AF_UNSPEC;
    body.version = NFNETLINK_V0;
    body.res_id = htons(NFNL_SUBSYS_NFTABLES);
    NetlinkMessage marker(type, 0);
    marker.body(body);
    return marker;
}

// The markers must not ask for an acknowledgement: the kernel sends none for them.
std::string without_ack(std::string message) {
    nlmsghdr header{};
    std::memcpy(&header, message.data(), sizeof header);
    header.nlmsg_flags = NLM_F_REQUEST;
    std::memcpy(message.data(), &header, sizeof header);
    return message;
}

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags)
    : type_(type), flags_(static_cast<std::uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK)) {}

NetlinkMessage& NetlinkMessage::append(std::string_view raw) {
    bytes_ += raw;
    pad(bytes_);
    return *this;
}

NetlinkMessage& NetlinkMessage::attribute(std::uint16_t type, std::string_view payload) {
    nlattr header{};
    // Attributes are at most 64 KiB; ours are names and numbers, so cutting is only a safeguard.
    payload = payload.substr(0, std::numeric_limits<std::uint16_t>::max() - kAttributeHeader);
    header.nla_len = static_cast<std::uint16_t>(kAttributeHeader + payload.size());
    header.nla_type = type;
    bytes_ += bytes_of(header);
    return append(payload);
}

NetlinkMessage& NetlinkMessage::u8(std::uint16_t type, std::uint8_t value) {
    return attribute(type, bytes_of(value));
}

NetlinkMessage& NetlinkMessage::big_endian_u16(std::uint16_t type, std::uint16_t value) {
    return attribute(type, bytes_of(htons(value)));
}

NetlinkMessage& NetlinkMessage::u32(std::uint16_t type, std::uint32_t value) {
    return attribute(type, bytes_of(value));
}

NetlinkMessage& NetlinkMessage::big_endian_u32(std::uint16_t type, std::uint32_t value) {
    return u32(type, htonl(value));
}

NetlinkMessage& NetlinkMessage::text(std::uint16_t type, std::string_view value) {
    return attribute(type, std::string(value) + '\0');
}

NetlinkMessage& NetlinkMessage::nested(std::uint16_t type,
                                       const std::function<void(NetlinkMessage&)>& content) {
    NetlinkMessage inner(0, 0);
    content(inner);
    return attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), inner.bytes_);
}

std::string NetlinkMessage::finished(std::uint32_t sequence) const {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + bytes_.size());
    header.nlmsg_type = type_;
    header.nlmsg_flags = flags_;
    header.nlmsg_seq = sequence;
    return std::string(bytes_of(header)) + bytes_;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!socket.valid()) {
        return fail(errno_error(errno, "open a netlink socket"));
    }
    const timeval patience{2, 0};  // the kernel answers at once; a hang must not become ours
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return NetlinkSocket(std::move(socket));
}

Result<void> NetlinkSocket::send(std::string_view packet) const {
    if (::send(socket_.number(), packet.data(), packet.size(), 0) < 0) {
        return fail(errno_error(errno, "send to netlink"));
    }
    return {};
}

Result<void> NetlinkSocket::acknowledgements(std::uint32_t first, std::size_t count) const {
    std::string buffer(kReplyBytes, '\0');
    for (std::size_t done = 0; done < count;) {
        const ssize_t got = ::recv(socket_.number(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(errno_error(errno, "receive from netlink"));
        }
        const std::string_view packet(buffer.data(), static_cast<std::size_t>(got));
        while (done < count) {
            const auto code = find_acknowledgement(packet, first + static_cast<unsigned>(done));
            if (!code) {
                break;
            }
            if (*code != 0) {
                return fail(errno_error(*code, fmt::format("netlink request {}", done + 1)));
            }
            ++done;
        }
    }
    return {};
}

Result<void> NetlinkSocket::request(const NetlinkMessage& message) {
    const std::uint32_t sequence = next_sequence_++;
    TRY(send(message.finished(sequence)));
    return acknowledgements(sequence, 1);
}

Result<void> NetlinkSocket::create(const NetlinkMessage& message) {
    Result<void> made = request(message);
    if (!made && made.error().code == EEXIST) {
        return {};
    }
    return made;
}

Result<void> NetlinkSocket::nftables_transaction(std::span<const NetlinkMessage> messages) {
    std::string packet = without_ack(batch_marker(NFNL_MSG_BATCH_BEGIN).finished(next_sequence_++));
    const std::uint32_t first = next_sequence_;
    for (const NetlinkMessage& message : messages) {
        packet += message.finished(next_sequence_++);
    }
    packet += without_ack(batch_marker(NFNL_MSG_BATCH_END).finished(next_sequence_++));
    TRY(send(packet));
    return acknowledgements(first, messages.size());
}

std::optional<int> find_acknowledgement(std::string_view packet, std::uint32_t wanted) {
    while (packet.size() >= NLMSG_HDRLEN) {
        nlmsghdr header{};
        std::memcpy(&header, packet.data(), sizeof header);
        if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > packet.size()) {
            return std::nullopt;
        }
        nlmsgerr error{};
        if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == wanted &&
            header.nlmsg_len >= NLMSG_HDRLEN + sizeof error.error) {
            std::memcpy(&error.error, packet.data() + NLMSG_HDRLEN, sizeof error.error);
            return error.error < 0 ? -error.error : 0;
        }
        packet.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), packet.size()));
    }
    return std::nullopt;
}

}  // namespace rk::sys
