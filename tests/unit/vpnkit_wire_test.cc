// SPDX-License-Identifier: Apache-2.0
#include "wire/vpnkit.h"

#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

constexpr std::string_view kUuid = "01234567-89ab-4def-8123-456789abcdef";

std::string interface_bytes() {
    return "\xdc\x05\x06\x09\x02\x50\x00\x00\x00\x01"s + std::string(246, '\0');
}

TEST(VpnkitWire, HelloIsTheOneOfVersion22) {
    const std::string hello = encode_vpnkit_hello();
    ASSERT_EQ(hello.size(), kVpnkitHelloBytes);
    EXPECT_EQ(hello.substr(0, 9), "VMN3T\x16\0\0\0"s);
    EXPECT_TRUE(is_vpnkit_hello(hello));
    EXPECT_TRUE(is_vpnkit_hello("VMN3T\x01\0\0\0"s + std::string(40, 'x')));
    EXPECT_FALSE(is_vpnkit_hello(hello.substr(1)));
    EXPECT_FALSE(is_vpnkit_hello("VMN3S" + hello.substr(5)));
}

TEST(VpnkitWire, RequestHasTheUuidAndNoAddress) {
    const std::string request = encode_vpnkit_request(kUuid);
    EXPECT_EQ(request, "\x01" + std::string(kUuid) + "\0\0\0\0"s);
    EXPECT_EQ(request.size(), 41U);
}

TEST(VpnkitWire, UuidIsARandomOne) {
    EXPECT_EQ(uuid_text({}), "00000000-0000-4000-8000-000000000000");
    std::array<std::uint8_t, 16> all{};
    all.fill(0xff);
    EXPECT_EQ(uuid_text(all), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

TEST(VpnkitWire, InterfaceIsRead) {
    const auto read = decode_vpnkit_interface(interface_bytes());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->mtu, 1500);
    EXPECT_EQ(read->max_packet, 0x0906);
    EXPECT_EQ(read->mac, (model::MacAddress{2, 0x50, 0, 0, 0, 1}));
}

TEST(VpnkitWire, InterfaceMayBeNone) {
    std::string bytes = interface_bytes();
    EXPECT_FALSE(decode_vpnkit_interface(bytes.substr(1)));
    EXPECT_FALSE(decode_vpnkit_interface(""));
    bytes[4] = 3;  // a group's address
    EXPECT_FALSE(decode_vpnkit_interface(bytes));
    EXPECT_FALSE(decode_vpnkit_interface(std::string(256, '\0')));
}

TEST(VpnkitWire, FramesAreTakenOneByOne) {
    std::string_view stream = "\x03\0abc\0\0\x02\0x"sv;
    EXPECT_EQ(take_vpnkit_frame(stream), "abc");
    EXPECT_EQ(take_vpnkit_frame(stream), "");
    EXPECT_FALSE(take_vpnkit_frame(stream));
    EXPECT_EQ(stream, "\x02\0x"sv);
    stream = "\x02"sv;
    EXPECT_FALSE(take_vpnkit_frame(stream));
    EXPECT_EQ(stream.size(), 1U);
}

TEST(VpnkitWire, LengthsAreLittleEndian) {
    EXPECT_EQ(vpnkit_length(1500), (std::array<char, 2>{'\xdc', '\x05'}));
    const std::string frame(kVpnkitMaxFrame, 'x');
    const auto length = vpnkit_length(frame.size());
    const std::string bytes = std::string(length.begin(), length.end()) + frame;
    std::string_view stream = bytes;
    EXPECT_EQ(take_vpnkit_frame(stream), frame);
    EXPECT_TRUE(stream.empty());
}

}  // namespace
}  // namespace rk::wire
