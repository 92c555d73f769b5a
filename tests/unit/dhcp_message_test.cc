// SPDX-License-Identifier: Apache-2.0
#include "wire/dhcp_message.h"

#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::wire {
namespace {

using std::string_literals::operator""s;

constexpr std::size_t kServerNameAt = 44;
constexpr std::size_t kBootFileAt = 108;
constexpr std::size_t kOptionsAt = 240;  // after the magic cookie

model::IpAddress ip(const char* text) {
    return *model::IpAddress::parse(text);
}

// A server's message with these options.
std::string reply(std::string_view options) {
    ByteWriter out;
    out.u8(2).u8(1).u8(6).u8(0).be32(0x01020304).be32(0);
    out.be32(0).be32(ip("192.168.65.3").to_v4()).be32(0).be32(0);
    out.bytes("\x02\x00\x00\x00\x00\x07"s).bytes(std::string(10 + 64 + 128, '\0'));
    out.be32(0x63825363).bytes(options);
    return std::move(out).take();
}

TEST(DhcpMessage, DiscoverHasWhatServersAskFor) {
    const std::string bytes =
        encode_dhcp({.type = DhcpType::kDiscover, .transaction = 7, .client = {2, 1, 2, 3, 4, 5}});
    EXPECT_EQ(bytes.size(), 300U);
    EXPECT_EQ(bytes.substr(0, 12), "\x01\x01\x06\x00\x00\x00\x00\x07\x00\x00\x80\x00"s);
    EXPECT_EQ(bytes.substr(12, 16), std::string(16, '\0'));
    EXPECT_EQ(bytes.substr(28, 6), "\x02\x01\x02\x03\x04\x05");
    EXPECT_EQ(bytes.substr(kOptionsAt - 4, 7), "\x63\x82\x53\x63\x35\x01\x01");
    EXPECT_NE(bytes.find("\x37\x07\x01\x03\x06\x1a\x33\x3a\x3b\xff"), std::string::npos);
}

TEST(DhcpMessage, RequestNamesAddressAndServer) {
    const std::string bytes = encode_dhcp(
        {.type = DhcpType::kRequest, .requested = ip("10.0.3.7"), .server = ip("10.0.3.1")});
    EXPECT_EQ(bytes.substr(kOptionsAt, 15),
              "\x35\x01\x03\x32\x04\x0a\x00\x03\x07\x36\x04\x0a\x00\x03\x01"s);
}

TEST(DhcpMessage, RenewalCarriesItsAddressAndTakesUnicast) {
    const std::string bytes = encode_dhcp(
        {.type = DhcpType::kRequest, .broadcast = false, .client_address = ip("10.0.3.7")});
    EXPECT_EQ(bytes.substr(10, 2), "\0\0"s);
    EXPECT_EQ(bytes.substr(12, 4), "\x0a\x00\x03\x07"s);
}

TEST(DhcpMessage, AckIsRead) {
    const auto read =
        decode_dhcp(reply("\x35\x01\x05\x00\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x03\x01"
                          "\x06\x08\x0a\x00\x03\x01\x08\x08\x08\x08\x33\x04\x00\x00\x0e\x10"
                          "\x36\x04\x0a\x00\x03\x01\x3a\x04\x00\x00\x07\x08\x3b\x04\x00\x00\x0c\x4e"
                          "\x1a\x02\x05\xdc\xfc\x03"
                          "abc\xff\x01\x01\x01"s));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->type, DhcpType::kAck);
    EXPECT_EQ(read->transaction, 0x01020304U);
    EXPECT_EQ(read->client, (model::MacAddress{2, 0, 0, 0, 0, 7}));
    EXPECT_EQ(read->your_address.text(), "192.168.65.3");
    EXPECT_EQ(read->prefix, 24);
    EXPECT_EQ(read->routers, std::vector{ip("10.0.3.1")});
    EXPECT_EQ(read->dns, (std::vector{ip("10.0.3.1"), ip("8.8.8.8")}));
    EXPECT_EQ(read->lease_seconds, 3600U);
    EXPECT_EQ(read->renewal_seconds, 1800U);
    EXPECT_EQ(read->rebinding_seconds, 3150U);
    EXPECT_EQ(read->mtu, 1500);
    EXPECT_EQ(read->server, ip("10.0.3.1"));
}

TEST(DhcpMessage, NakSaysWhy) {
    const auto read = decode_dhcp(reply("\x35\x01\x06\x38\x08not here\xff"s));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, DhcpType::kNak);
    EXPECT_EQ(read->message, "not here");
    EXPECT_FALSE(read->prefix || read->lease_seconds || read->server);
}

TEST(DhcpMessage, LongListsComeInPieces) {
    const auto read =
        decode_dhcp(reply("\x35\x01\x02\x06\x04\x01\x01\x01\x01\x06\x04\x02\x02\x02\x02\xff"s));
    EXPECT_EQ(read->dns, (std::vector{ip("1.1.1.1"), ip("2.2.2.2")}));
}

TEST(DhcpMessage, OptionsOverflowIntoTheFixedFields) {
    std::string bytes = reply("\x35\x01\x02\x34\x01\x03\xff"s);
    bytes.replace(kBootFileAt, 7, "\x03\x04\x0a\x00\x03\x01\xff"s);
    bytes.replace(kServerNameAt, 7, "\x01\x04\xff\xff\x00\x00\xff"s);
    const auto read = decode_dhcp(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->routers, std::vector{ip("10.0.3.1")});
    EXPECT_EQ(read->prefix, 16);
}

TEST(DhcpMessage, MalformedOnesAreErrors) {
    const std::string kType = "\x35\x01\x02"s;
    const std::string malformed[] = {
        "\xff"s,                              // no type
        "\x35\x01\x01\xff"s,                  // a client's type
        "\x35\x02\x02\x02\xff"s,              // type of two bytes
        kType + "\x01\x04\xff\x00\xff\x00"s,  // a mask with a hole
        kType + "\x01\x03\xff\xff\xff"s,      // a short mask
        kType + "\x03\x05\x01\x02\x03\x04\x05"s,
        kType + "\x06\x00"s,
        kType + "\x33\x02\x01\x02"s,
        kType + "\x36\x04\x01\x02\x03"s,  // cut
        kType + "\x36"s,
    };
    for (const std::string& options : malformed) {
        EXPECT_FALSE(decode_dhcp(reply(options))) << testing::PrintToString(options);
    }
    std::string bytes = reply(kType + "\xff");
    ASSERT_TRUE(decode_dhcp(bytes));
    for (std::size_t size = 0; size < kOptionsAt + 3; ++size) {
        EXPECT_FALSE(decode_dhcp(bytes.substr(0, size))) << size;
    }
    bytes[0] = 1;  // a request
    EXPECT_FALSE(decode_dhcp(bytes));
}

}  // namespace
}  // namespace rk::wire
