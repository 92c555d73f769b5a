// SPDX-License-Identifier: Apache-2.0
#include "wire/nfqueue.h"

#include "wire/netlink_bytes.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace rk::wire {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint16_t message_type(std::uint16_t message) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_QUEUE << 8U | message);
}

struct PacketAttributes {
    std::optional<nfqnl_msg_packet_hdr> header;
    std::optional<std::uint32_t> captured_size;
    std::uint32_t mark = 0;
    Bytes payload;
};

// False where an attribute is shorter than what it must contain.
bool take_attribute(PacketAttributes& into, std::uint16_t type, Bytes value) {
    switch (type & NLA_TYPE_MASK) {
        case NFQA_PACKET_HDR:
            into.header = read_netlink<nfqnl_msg_packet_hdr>(value);
            return into.header.has_value();
        case NFQA_MARK: {
            const auto mark = read_netlink<std::uint32_t>(value);
            into.mark = ntohl(mark.value_or(0));
            return mark.has_value();
        }
        case NFQA_CAP_LEN: {
            const auto size = read_netlink<std::uint32_t>(value);
            into.captured_size = ntohl(size.value_or(0));
            return size.has_value();
        }
        case NFQA_PAYLOAD:
            into.payload = value;
            return true;
        default:
            return true;
    }
}

std::optional<PacketAttributes> take_attributes(Bytes bytes) {
    PacketAttributes attributes;
    while (!bytes.empty()) {
        const auto attribute = take_netlink_attribute(bytes);
        if (!attribute ||
            !take_attribute(attributes, attribute->header.nla_type, attribute->content)) {
            return std::nullopt;
        }
    }
    return attributes;
}

std::optional<QueueMessage> take_packet(Bytes body) {
    const auto family = read_netlink<nfgenmsg>(body);
    if (!family || family->version != NFNETLINK_V0) {
        return std::nullopt;
    }
    const auto attributes = take_attributes(after_netlink(body, sizeof(nfgenmsg)));
    if (!attributes || !attributes->header) {
        return std::nullopt;
    }
    QueuedPacket packet;
    packet.queue = ntohs(family->res_id);
    packet.id = ntohl(attributes->header->packet_id);
    packet.ethertype = ntohs(attributes->header->hw_protocol);
    packet.mark = attributes->mark;
    packet.bytes = attributes->payload;
    // Absent where the whole packet was copied, never smaller than the copy.
    packet.size = std::max(attributes->captured_size.value_or(0),
                           static_cast<std::uint32_t>(packet.bytes.size()));
    return packet;
}

std::optional<QueueMessage> take_answer(std::uint32_t sequence, Bytes body) {
    const auto code = read_netlink<std::int32_t>(body);
    if (!code || *code > 0 || *code < -4095) {  // MAX_ERRNO
        return std::nullopt;
    }
    return QueueAnswer{sequence, -*code};
}

// One message under construction in a caller's buffer. After the first thing that does not fit
// nothing more is written and size() is 0.
class Builder {
 public:
    Builder(std::span<std::byte> out, std::uint16_t message, std::uint16_t flags,
            std::uint32_t sequence, std::uint16_t queue)
        : out_(out) {
        header_.nlmsg_type = message_type(message);
        header_.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
        header_.nlmsg_seq = sequence;
        put(header_);
        nfgenmsg family{};
        family.nfgen_family = AF_UNSPEC;
        family.version = NFNETLINK_V0;
        family.res_id = htons(queue);
        put(family);
    }

    template <typename T>
    Builder& attribute(std::uint16_t type, const T& value) {
        nlattr header{};
        header.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + sizeof(T));
        header.nla_type = type;
        put(header);
        put(value);
        return *this;
    }

    // The message's length, now that it is known, goes to its beginning.
    [[nodiscard]] std::size_t finish() {
        if (!fits_) {
            return 0;
        }
        header_.nlmsg_len = static_cast<std::uint32_t>(used_);
        std::memcpy(out_.data(), &header_, sizeof header_);
        return used_;
    }

 private:
    template <typename T>
    void put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        constexpr std::size_t kPadded = netlink_aligned(sizeof(T));
        if (!fits_ || out_.size() - used_ < kPadded) {
            fits_ = false;
            return;
        }
        std::memset(out_.data() + used_, 0, kPadded);
        std::memcpy(out_.data() + used_, &value, sizeof value);
        used_ += kPadded;
    }

    std::span<std::byte> out_;
    nlmsghdr header_{};
    std::size_t used_ = 0;
    bool fits_ = true;
};

Builder config(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue) {
    return {out, NFQNL_MSG_CONFIG, NLM_F_ACK, sequence, queue};
}

std::size_t put_command(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue,
                        std::uint8_t command) {
    nfqnl_msg_config_cmd value{};
    value.command = command;
    return config(out, sequence, queue).attribute(NFQA_CFG_CMD, value).finish();
}

nfqnl_msg_verdict_hdr verdict_header(std::uint32_t id, Verdict verdict) {
    nfqnl_msg_verdict_hdr value{};
    value.verdict = htonl(verdict == Verdict::kAccept ? NF_ACCEPT : NF_DROP);
    value.id = htonl(id);
    return value;
}

}  // namespace

std::optional<QueueMessage> QueueReader::next() {
    while (!rest_.empty()) {
        const auto taken = take_netlink_message(rest_);
        if (!taken) {
            ++rejected_;
            rest_ = {};
            break;
        }
        const std::uint16_t type = taken->header.nlmsg_type;
        std::optional<QueueMessage> message;
        if (type == message_type(NFQNL_MSG_PACKET)) {
            message = take_packet(taken->content);
        } else if (type == NLMSG_ERROR) {
            message = take_answer(taken->header.nlmsg_seq, taken->content);
        } else {
            continue;
        }
        if (message) {
            return message;
        }
        ++rejected_;
    }
    return std::nullopt;
}

std::size_t put_queue_bind(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue) {
    return put_command(out, sequence, queue, NFQNL_CFG_CMD_BIND);
}

std::size_t put_queue_unbind(std::span<std::byte> out, std::uint32_t sequence,
                             std::uint16_t queue) {
    return put_command(out, sequence, queue, NFQNL_CFG_CMD_UNBIND);
}

std::size_t put_queue_copy(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue,
                           std::uint32_t range) {
    nfqnl_msg_config_params value{};
    value.copy_range = htonl(range);
    value.copy_mode = NFQNL_COPY_PACKET;
    return config(out, sequence, queue).attribute(NFQA_CFG_PARAMS, value).finish();
}

std::size_t put_queue_length(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue,
                             std::uint32_t packets) {
    const std::uint32_t value = htonl(packets);
    return config(out, sequence, queue).attribute(NFQA_CFG_QUEUE_MAXLEN, value).finish();
}

std::size_t put_queue_flags(std::span<std::byte> out, std::uint32_t sequence, std::uint16_t queue) {
    const std::uint32_t flags = htonl(NFQA_CFG_F_GSO);
    const std::uint32_t mask = htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN);
    return config(out, sequence, queue)
        .attribute(NFQA_CFG_FLAGS, flags)
        .attribute(NFQA_CFG_MASK, mask)
        .finish();
}

std::size_t put_verdict(std::span<std::byte> out, std::uint16_t queue, std::uint32_t id,
                        Verdict verdict, std::optional<std::uint32_t> mark) {
    Builder message(out, NFQNL_MSG_VERDICT, 0, 0, queue);
    message.attribute(NFQA_VERDICT_HDR, verdict_header(id, verdict));
    if (mark) {
        message.attribute(NFQA_MARK, static_cast<std::uint32_t>(htonl(*mark)));
    }
    return message.finish();
}

std::size_t put_verdict_up_to(std::span<std::byte> out, std::uint16_t queue, std::uint32_t id,
                              Verdict verdict) {
    return Builder(out, NFQNL_MSG_VERDICT_BATCH, 0, 0, queue)
        .attribute(NFQA_VERDICT_HDR, verdict_header(id, verdict))
        .finish();
}

bool VerdictBatch::add(std::uint16_t queue, std::uint32_t id, Verdict verdict,
                       std::optional<std::uint32_t> mark) {
    const std::size_t size = put_verdict(buffer_.subspan(used_), queue, id, verdict, mark);
    used_ += size;
    return size != 0;
}

}  // namespace rk::wire
