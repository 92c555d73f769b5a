// SPDX-License-Identifier: Apache-2.0
#include "model/cidr.h"

#include <gtest/gtest.h>

namespace rk::model {
namespace {

using std::string_view_literals::operator""sv;

TEST(Cidr, ReadsBothFamilies) {
    const auto four = parse_cidr("10.0.2.0/24");
    ASSERT_TRUE(four);
    EXPECT_FALSE(four->ipv6);
    EXPECT_EQ(four->prefix, 24U);
    EXPECT_EQ(four->bytes[0], 10);
    EXPECT_EQ(four->bytes[2], 2);
    const auto six = parse_cidr("fd00::/64");
    ASSERT_TRUE(six);
    EXPECT_TRUE(six->ipv6);
    EXPECT_EQ(six->prefix, 64U);
    EXPECT_EQ(six->bytes[0], 0xfd);
}

TEST(Cidr, TakesNothingElse) {
    for (const std::string_view bad :
         {""sv, "/"sv, "10.0.2.0"sv, "/24"sv, "10.0.2.0/"sv, "10.0.2.0/33"sv, "10.0.2.0/-1"sv,
          "10.0.2.0/+8"sv, "10.0.2/24"sv, "10.0.2.0/24 "sv, " 10.0.2.0/24"sv, "10.0.2.0/24/24"sv,
          "10.0.02.256/24"sv, "fd00::/129"sv, "fd00:::/64"sv, "fd00::%eth0/64"sv,
          "10.0.2.0\0x/24"sv}) {
        EXPECT_FALSE(parse_cidr(bad)) << bad;
    }
}

TEST(Cidr, FindsHostBitsAtEveryPrefix) {
    const auto host_bits = [](std::string_view text) { return parse_cidr(text)->host_bits_set(); };
    EXPECT_FALSE(host_bits("0.0.0.0/0"));
    EXPECT_TRUE(host_bits("128.0.0.0/0"));
    EXPECT_FALSE(host_bits("128.0.0.0/1"));
    EXPECT_TRUE(host_bits("10.0.2.1/31"));
    EXPECT_FALSE(host_bits("10.0.2.1/32"));
    EXPECT_TRUE(host_bits("10.0.2.128/24"));
    EXPECT_FALSE(host_bits("10.0.2.128/25"));
    EXPECT_TRUE(host_bits("fd00::1/64"));
    EXPECT_FALSE(host_bits("fd00::1/128"));
    EXPECT_TRUE(host_bits("fd00::1/127"));
}

TEST(Cidr, AnIpv4NetworkIsInHostByteOrder) {
    const auto network = parse_cidr("192.168.4.0/22")->ipv4_network();
    ASSERT_TRUE(network);
    EXPECT_EQ(network->address, 0xc0a80400U);
    EXPECT_EQ(network->prefix, 22);
    EXPECT_FALSE(parse_cidr("192.168.4.1/22")->ipv4_network());
    EXPECT_FALSE(parse_cidr("fd00::/64")->ipv4_network());
}

}  // namespace
}  // namespace rk::model
