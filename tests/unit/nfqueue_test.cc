// SPDX-License-Identifier: Apache-2.0
#include "wire/nfqueue.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

namespace rk::wire {
namespace {

constexpr std::uint16_t kPacketType = 0x0300;   // NFNL_SUBSYS_QUEUE, NFQNL_MSG_PACKET
constexpr std::uint16_t kVerdictType = 0x0301;  // NFQNL_MSG_VERDICT
constexpr std::uint16_t kConfigType = 0x0302;   // NFQNL_MSG_CONFIG

template <typename T>
std::string raw(const T& value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

std::string be32(std::uint32_t value) {
    return raw(static_cast<std::uint32_t>(htonl(value)));
}

std::string padded(std::string bytes) {
    bytes.resize((bytes.size() + 3) / 4 * 4, '\0');
    return bytes;
}

std::string attribute(std::uint16_t type, const std::string& value) {
    nlattr header{};
    header.nla_type = type;
    header.nla_len = static_cast<std::uint16_t>(sizeof header + value.size());
    return padded(raw(header) + value);
}

std::string message(std::uint16_t type, const std::string& body, std::uint32_t sequence = 0) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    return padded(raw(header) + body);
}

// nfgenmsg: family, version, the queue's number in network order.
const std::string kQueue7 = std::string("\x02\0\0\x07", 4);

std::string packet_header(std::uint32_t id) {
    return attribute(NFQA_PACKET_HDR, be32(id) + std::string("\x08\0\0", 3));
}

std::string packet(std::uint32_t id, const std::string& payload) {
    return message(kPacketType, kQueue7 + packet_header(id) + attribute(NFQA_PAYLOAD, payload));
}

std::span<const std::byte> span_of(const std::string& bytes) {
    return std::as_bytes(std::span(bytes));
}

std::string text_of(std::span<const std::byte> bytes) {
    std::string text(bytes.size(), '\0');
    std::memcpy(text.data(), bytes.data(), bytes.size());
    return text;
}

std::vector<QueueMessage> all(const std::string& datagram, std::size_t rejected = 0) {
    QueueReader reader(span_of(datagram));
    std::vector<QueueMessage> messages;
    while (const auto next = reader.next()) {
        messages.push_back(*next);
    }
    EXPECT_EQ(reader.rejected(), rejected);
    return messages;
}

TEST(QueueReader, ReadsAPacketWithItsAttributesInAnyOrder) {
    const std::string odd =
        message(kPacketType, kQueue7 + attribute(NFQA_PAYLOAD, "abcde") +
                                 attribute(NFQA_MARK, be32(0x10203)) +
                                 attribute(NFQA_IFINDEX_INDEV, be32(3)) +
                                 attribute(NFQA_CAP_LEN, be32(900)) + packet_header(0xfedcba98));
    const auto messages = all(odd);
    ASSERT_EQ(messages.size(), 1U);
    const auto& held = std::get<QueuedPacket>(messages.front());
    EXPECT_EQ(held.id, 0xfedcba98U);
    EXPECT_EQ(held.queue, 7U);
    EXPECT_EQ(held.ethertype, 0x0800U);
    EXPECT_EQ(held.mark, 0x10203U);
    EXPECT_EQ(text_of(held.bytes), "abcde");
    EXPECT_EQ(held.size, 900U);
}

TEST(QueueReader, TellsPacketsAndAnswersOfOneDatagramApart) {
    const std::string done = message(NLMSG_ERROR, raw(std::int32_t{0}) + std::string(16, '\0'), 5);
    const std::string failed = message(NLMSG_ERROR, raw(std::int32_t{-EPERM}), 6);
    const auto messages =
        all(packet(1, "x") + done + message(NLMSG_NOOP, "") + failed + packet(2, ""));
    ASSERT_EQ(messages.size(), 4U);
    EXPECT_EQ(std::get<QueuedPacket>(messages[0]).id, 1U);
    EXPECT_EQ(std::get<QueuedPacket>(messages[0]).size, 1U);
    EXPECT_EQ(std::get<QueueAnswer>(messages[1]).sequence, 5U);
    EXPECT_EQ(std::get<QueueAnswer>(messages[1]).code, 0);
    EXPECT_EQ(std::get<QueueAnswer>(messages[2]).sequence, 6U);
    EXPECT_EQ(std::get<QueueAnswer>(messages[2]).code, EPERM);
    EXPECT_EQ(std::get<QueuedPacket>(messages[3]).id, 2U);
}

TEST(QueueReader, RejectsWhatIsCutAnywhere) {
    const std::string whole = packet(1, "payload");
    const std::size_t length = whole.size() - 1;  // the payload's last byte is padding
    for (std::size_t size = 1; size < length; ++size) {
        EXPECT_TRUE(all(whole.substr(0, size), 1).empty()) << size;
    }
    EXPECT_EQ(all("").size(), 0U);
}

TEST(QueueReader, AMessageThatIsWrongWithinDoesNotHideTheNext) {
    const std::string no_header = message(kPacketType, kQueue7 + attribute(NFQA_PAYLOAD, "x"));
    const std::string short_header =
        message(kPacketType, kQueue7 + attribute(NFQA_PACKET_HDR, "123456"));
    const std::string short_mark =
        message(kPacketType, kQueue7 + packet_header(1) + attribute(NFQA_MARK, "123"));
    std::string past_the_end = message(kPacketType, kQueue7 + packet_header(1));
    past_the_end[20] = 0x7f;  // the attribute's length
    const std::string no_family = message(kPacketType, "12");
    const std::string strange_code = message(NLMSG_ERROR, raw(std::int32_t{5}));
    const auto messages = all(no_header + short_header + short_mark + past_the_end + no_family +
                                  strange_code + packet(9, "x"),
                              6);
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_EQ(std::get<QueuedPacket>(messages.front()).id, 9U);
}

TEST(QueueReader, AttributesOfLengthZeroEndTheMessage) {
    const std::string body = kQueue7 + packet_header(1) + std::string(8, '\0');
    EXPECT_TRUE(all(message(kPacketType, body), 1).empty());
}

struct Built {
    std::array<std::byte, kMaxQueueMessage> buffer{};
    std::size_t size = 0;

    [[nodiscard]] std::string text() const { return text_of(std::span(buffer).first(size)); }
};

std::string expected(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                     const std::string& attributes) {
    std::string bytes = message(type, std::string("\0\0\0\x07", 4) + attributes, sequence);
    const std::string raw_flags = raw(flags);
    return bytes.replace(6, raw_flags.size(), raw_flags);
}

TEST(QueueRequests, AreWhatTheKernelReads) {
    constexpr std::uint16_t kFlags = NLM_F_REQUEST | NLM_F_ACK;
    Built built;
    built.size = put_queue_bind(built.buffer, 3, 7);
    EXPECT_EQ(built.text(), expected(kConfigType, kFlags, 3,
                                     attribute(NFQA_CFG_CMD, std::string("\1\0\0\0", 4))));
    built.size = put_queue_unbind(built.buffer, 4, 7);
    EXPECT_EQ(built.text(), expected(kConfigType, kFlags, 4,
                                     attribute(NFQA_CFG_CMD, std::string("\2\0\0\0", 4))));
    built.size = put_queue_copy(built.buffer, 5, 7, 128);
    EXPECT_EQ(built.text(),
              expected(kConfigType, kFlags, 5, attribute(NFQA_CFG_PARAMS, be32(128) + "\2")));
    built.size = put_queue_length(built.buffer, 6, 7, 1024);
    EXPECT_EQ(built.text(),
              expected(kConfigType, kFlags, 6, attribute(NFQA_CFG_QUEUE_MAXLEN, be32(1024))));
    built.size = put_queue_flags(built.buffer, 8, 7);
    EXPECT_EQ(built.text(),
              expected(kConfigType, kFlags, 8,
                       attribute(NFQA_CFG_FLAGS, be32(4)) + attribute(NFQA_CFG_MASK, be32(5))));
}

TEST(Verdicts, CarryAMarkWhereOneIsGiven) {
    Built built;
    built.size = put_verdict(built.buffer, 7, 0x01020304, Verdict::kAccept);
    EXPECT_EQ(built.text(), expected(kVerdictType, NLM_F_REQUEST, 0,
                                     attribute(NFQA_VERDICT_HDR, be32(1) + be32(0x01020304))));
    built.size = put_verdict(built.buffer, 7, 2, Verdict::kDrop, 0xa0b0c0d0);
    EXPECT_EQ(built.text(), expected(kVerdictType, NLM_F_REQUEST, 0,
                                     attribute(NFQA_VERDICT_HDR, be32(0) + be32(2)) +
                                         attribute(NFQA_MARK, be32(0xa0b0c0d0))));
}

TEST(Verdicts, AreForAllUpToOne) {
    constexpr std::uint16_t kBatchType = 0x0303;  // NFQNL_MSG_VERDICT_BATCH
    Built built;
    built.size = put_verdict_up_to(built.buffer, 7, 0x01020304, Verdict::kDrop);
    EXPECT_EQ(built.text(), expected(kBatchType, NLM_F_REQUEST, 0,
                                     attribute(NFQA_VERDICT_HDR, be32(0) + be32(0x01020304))));
    EXPECT_EQ(put_verdict_up_to(std::span(built.buffer).first(31), 7, 1, Verdict::kDrop), 0U);
}

TEST(Verdicts, NothingIsWrittenPastTheBuffer) {
    for (std::size_t size = 0; size < 40; ++size) {
        std::array<std::byte, kMaxQueueMessage> buffer{};
        buffer.fill(std::byte{0x55});
        const std::size_t written =
            put_verdict(std::span(buffer).first(size), 7, 1, Verdict::kAccept, 3);
        EXPECT_EQ(written, 0U) << size;
        for (std::size_t i = size; i < buffer.size(); ++i) {
            ASSERT_EQ(buffer.at(i), std::byte{0x55}) << size;
        }
    }
}

TEST(VerdictBatch, HoldsWhatFitsAndStartsAnew) {
    std::array<std::byte, 100> buffer{};  // 32 bytes a verdict, 40 with a mark
    VerdictBatch batch(buffer);
    EXPECT_TRUE(batch.empty());
    EXPECT_TRUE(batch.add(7, 1, Verdict::kAccept));
    EXPECT_TRUE(batch.add(7, 2, Verdict::kDrop, 9));
    EXPECT_FALSE(batch.add(7, 3, Verdict::kAccept));
    Built first;
    Built second;
    first.size = put_verdict(first.buffer, 7, 1, Verdict::kAccept);
    second.size = put_verdict(second.buffer, 7, 2, Verdict::kDrop, 9);
    EXPECT_EQ(text_of(batch.bytes()), first.text() + second.text());
    batch.clear();
    EXPECT_TRUE(batch.empty());
    EXPECT_TRUE(batch.add(7, 3, Verdict::kAccept));
}

}  // namespace
}  // namespace rk::wire
