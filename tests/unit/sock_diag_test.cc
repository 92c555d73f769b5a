// SPDX-License-Identifier: Apache-2.0
#include "wire/sock_diag.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rk::wire {
namespace {

template <typename T>
std::string raw(const T& value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
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

std::string message(std::uint16_t type, const std::string& body, std::uint32_t sequence = 7) {
    nlmsghdr header{};
    header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.nlmsg_type = type;
    header.nlmsg_seq = sequence;
    return padded(raw(header) + body);
}

inet_diag_msg socket_at(int family, const char* address, std::uint16_t port) {
    inet_diag_msg socket{};
    socket.idiag_family = static_cast<std::uint8_t>(family);
    socket.idiag_state = TCP_LISTEN;
    EXPECT_EQ(::inet_pton(family, address, &socket.id.idiag_src[0]), 1);
    socket.id.idiag_sport = htons(port);
    return socket;
}

std::string socket_message(const inet_diag_msg& socket, const std::string& attributes = "") {
    return message(SOCK_DIAG_BY_FAMILY, raw(socket) + attributes);
}

std::vector<DiagMessage> all(const std::string& datagram, std::size_t rejected = 0) {
    DiagReader reader(std::as_bytes(std::span(datagram)));
    std::vector<DiagMessage> messages;
    while (const auto next = reader.next()) {
        messages.push_back(*next);
    }
    EXPECT_EQ(reader.rejected(), rejected);
    return messages;
}

WaitingSocket only(const std::string& datagram) {
    const auto messages = all(datagram);
    EXPECT_EQ(messages.size(), 1U);
    return std::get<WaitingSocket>(messages.front().content);
}

TEST(DiagReader, ReadsSocketsOfBothFamilies) {
    const WaitingSocket v4 = only(socket_message(socket_at(AF_INET, "127.0.0.1", 8080)));
    EXPECT_EQ(v4.local.text(), "127.0.0.1:8080");
    EXPECT_FALSE(v4.connected);
    EXPECT_EQ(v4.device, 0U);
    const WaitingSocket v6 = only(socket_message(socket_at(AF_INET6, "2001:db8::1", 53)));
    EXPECT_EQ(v6.local.text(), "[2001:db8::1]:53");
    EXPECT_FALSE(v6.v6_only);
    const WaitingSocket mapped = only(socket_message(socket_at(AF_INET6, "::ffff:10.0.2.100", 1)));
    EXPECT_EQ(mapped.local.text(), "10.0.2.100:1");
}

TEST(DiagReader, TellsTheWildcardsApart) {
    EXPECT_TRUE(only(socket_message(socket_at(AF_INET, "0.0.0.0", 1))).local.address.is_v4());
    EXPECT_FALSE(only(socket_message(socket_at(AF_INET6, "::", 1))).local.address.is_v4());
}

TEST(DiagReader, ReadsWhatRestrictsASocket) {
    inet_diag_msg socket = socket_at(AF_INET6, "::", 80);
    socket.id.idiag_if = 3;
    socket.id.idiag_dport = htons(4000);
    const WaitingSocket told =
        only(socket_message(socket, attribute(INET_DIAG_SHUTDOWN, std::string(1, '\0')) +
                                        attribute(INET_DIAG_SKV6ONLY, "\x01")));
    EXPECT_TRUE(told.v6_only);
    EXPECT_EQ(told.device, 3U);
    EXPECT_TRUE(told.connected);
    EXPECT_FALSE(
        only(socket_message(socket, attribute(INET_DIAG_SKV6ONLY, std::string(1, '\0')))).v6_only);
}

TEST(DiagReader, ReadsTheEndAndErrors) {
    const std::string datagram = socket_message(socket_at(AF_INET, "127.0.0.1", 1)) +
                                 message(NLMSG_NOOP, "") +
                                 message(NLMSG_DONE, raw(std::int32_t{0}), 9);
    const auto messages = all(datagram);
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages[0].sequence, 7U);
    EXPECT_EQ(messages[1].sequence, 9U);
    EXPECT_EQ(std::get<DiagEnd>(messages[1].content).code, 0);
    const auto code = [](std::uint16_t type, const std::string& body) {
        return std::get<DiagEnd>(all(message(type, body)).at(0).content).code;
    };
    EXPECT_EQ(code(NLMSG_DONE, ""), 0);
    EXPECT_EQ(code(NLMSG_DONE, raw(std::int32_t{-ENOMEM})), ENOMEM);
    EXPECT_EQ(code(NLMSG_ERROR, raw(std::int32_t{-ENOENT}) + std::string(16, '\0')), ENOENT);
}

TEST(DiagReader, RejectsWhatIsCutAnywhere) {
    const std::string whole = socket_message(socket_at(AF_INET, "127.0.0.1", 1),
                                             attribute(INET_DIAG_SKV6ONLY, std::string(4, '\0')));
    for (std::size_t size = 1; size < whole.size(); ++size) {
        EXPECT_TRUE(all(whole.substr(0, size), 1).empty()) << size;
    }
    EXPECT_TRUE(all("").empty());
}

TEST(DiagReader, AMessageThatIsWrongWithinDoesNotHideTheNext) {
    const inet_diag_msg socket = socket_at(AF_INET, "127.0.0.1", 1);
    inet_diag_msg unix_socket = socket;
    unix_socket.idiag_family = AF_UNIX;
    nlattr too_long{};
    too_long.nla_len = 100;
    const std::string wrong = message(SOCK_DIAG_BY_FAMILY, raw(socket).substr(0, 70)) +
                              socket_message(unix_socket) + socket_message(socket, raw(too_long)) +
                              socket_message(socket, attribute(INET_DIAG_SKV6ONLY, "")) +
                              message(NLMSG_ERROR, raw(std::int32_t{5})) +
                              message(NLMSG_ERROR, "") + message(NLMSG_DONE, "xy");
    EXPECT_EQ(all(wrong + socket_message(socket), 7).size(), 1U);
}

TEST(SockDiagRequest, AsksForTheStatesThatWait) {
    const std::string request =
        waiting_sockets_request(DiagFamily::kIpv6, DiagProtocol::kTcp, 0x01020304);
    ASSERT_EQ(request.size(), sizeof(nlmsghdr) + sizeof(inet_diag_req_v2));
    nlmsghdr header{};
    std::memcpy(&header, request.data(), sizeof header);
    EXPECT_EQ(header.nlmsg_len, request.size());
    EXPECT_EQ(header.nlmsg_type, SOCK_DIAG_BY_FAMILY);
    EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    EXPECT_EQ(header.nlmsg_seq, 0x01020304U);
    inet_diag_req_v2 body{};
    std::memcpy(&body, request.data() + sizeof header, sizeof body);
    EXPECT_EQ(body.sdiag_family, AF_INET6);
    EXPECT_EQ(body.sdiag_protocol, IPPROTO_TCP);
    EXPECT_EQ(body.idiag_states, 1U << TCP_LISTEN);
    const std::string udp = waiting_sockets_request(DiagFamily::kIpv4, DiagProtocol::kUdp, 1);
    std::memcpy(&body, udp.data() + sizeof header, sizeof body);
    EXPECT_EQ(body.sdiag_family, AF_INET);
    EXPECT_EQ(body.sdiag_protocol, IPPROTO_UDP);
    EXPECT_EQ(body.idiag_states, 1U << TCP_CLOSE);
}

}  // namespace
}  // namespace rk::wire
