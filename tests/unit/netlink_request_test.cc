// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink_request.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

namespace rk::sys {
namespace {

template <typename T>
std::string raw(const T& value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

std::string attribute(std::uint16_t type, const std::string& payload) {
    nlattr header{};
    header.nla_type = type;
    header.nla_len = static_cast<std::uint16_t>(sizeof header + payload.size());
    std::string bytes = raw(header) + payload;
    bytes.resize(NLMSG_ALIGN(bytes.size()), '\0');
    return bytes;
}

TEST(NetlinkMessage, IsHeaderBodyAndPaddedAttributes) {
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE);
    rtmsg body{};
    body.rtm_table = 100;
    message.body(body).u32(4, 0x01020304).u8(5, 7).text(6, "lo").big_endian_u32(7, 1);
    message.nested(8, [](NetlinkMessage& in) { in.u32(1, 9); });
    const std::string bytes = message.finished(42);
    nlmsghdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    EXPECT_EQ(header.nlmsg_len, bytes.size());
    EXPECT_EQ(header.nlmsg_type, RTM_NEWROUTE);
    EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE);
    EXPECT_EQ(header.nlmsg_seq, 42U);
    EXPECT_EQ(bytes.substr(sizeof header),
              raw(body) + attribute(4, raw(std::uint32_t{0x01020304})) +
                  attribute(5, std::string(1, '\7')) + attribute(6, std::string("lo\0", 3)) +
                  attribute(7, std::string("\0\0\0\1", 4)) +
                  attribute(8 | NLA_F_NESTED, attribute(1, raw(std::uint32_t{9}))));
}

TEST(NetlinkMessage, NothingIsWrittenPastAnAttribute) {
    NetlinkMessage message(1, 0);
    message.attribute(1, std::string(100000, 'x'));
    EXPECT_EQ(message.finished(1).size(), sizeof(nlmsghdr) + 65536);
}

std::string acknowledgement(std::uint32_t sequence, int code) {
    nlmsghdr header{};
    nlmsgerr error{};
    header.nlmsg_len = sizeof header + sizeof error;
    header.nlmsg_type = NLMSG_ERROR;
    header.nlmsg_seq = sequence;
    error.error = code;
    return raw(header) + raw(error);
}

TEST(FindAcknowledgement, LooksForItsNumber) {
    const std::string packet = acknowledgement(1, -EPERM) + acknowledgement(2, 0);
    EXPECT_EQ(find_acknowledgement(packet, 1), EPERM);
    EXPECT_EQ(find_acknowledgement(packet, 2), 0);
    EXPECT_EQ(find_acknowledgement(packet, 3), std::nullopt);
}

TEST(FindAcknowledgement, SurvivesAnyBytes) {
    const std::string packet = acknowledgement(1, -EPERM) + acknowledgement(2, 0);
    for (std::size_t length = 0; length < packet.size(); ++length) {
        EXPECT_EQ(find_acknowledgement(packet.substr(0, length), 2), std::nullopt) << length;
    }
    std::string lying = acknowledgement(1, 0);
    for (const std::uint32_t length : {0U, 15U, 1000U, 0xffffffffU}) {
        std::memcpy(lying.data(), &length, sizeof length);
        EXPECT_EQ(find_acknowledgement(lying, 1), std::nullopt) << length;
    }
}

}  // namespace
}  // namespace rk::sys
