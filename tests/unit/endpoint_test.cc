// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint.h"

#include "sys/sockaddr.h"

#include <gtest/gtest.h>

#include <netinet/in.h>

namespace rk::model {
namespace {

TEST(IpAddress, TextIsCanonical) {
    const struct {
        const char* written;
        const char* canonical;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0"},
        {"127.0.0.1", "127.0.0.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"::ffff:127.0.0.1", "127.0.0.1"},
        {"::FFFF:7f00:1", "127.0.0.1"},
        {"::", "::"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:DB8::0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"::1.2.3.4", "::102:304"},
        {"fe80::1", "fe80::1"},
    };
    for (const auto& one : cases) {
        const auto address = IpAddress::parse(one.written);
        ASSERT_TRUE(address) << one.written;
        EXPECT_EQ(address->text(), one.canonical) << one.written;
        EXPECT_EQ(IpAddress::parse(address->text()), address) << one.written;
    }
}

TEST(IpAddress, RefusesWhatIsNone) {
    for (const std::string& text :
         {std::string(""), std::string("1.2.3"), std::string("1.2.3.256"), std::string("[::1]"),
          std::string("::1%lo"), std::string("localhost"), std::string("1.2.3.4 "),
          std::string(":::"), std::string("1.2.3.4\0", 8), std::string(10000, ':')}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(IpAddress, Kinds) {
    const auto ip = [](const char* text) { return *IpAddress::parse(text); };
    EXPECT_TRUE(ip("127.255.0.1").is_loopback());
    EXPECT_TRUE(ip("::ffff:127.0.0.1").is_loopback());
    EXPECT_TRUE(ip("::1").is_loopback());
    EXPECT_FALSE(ip("128.0.0.1").is_loopback());
    EXPECT_FALSE(ip("::2").is_loopback());
    EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
    EXPECT_TRUE(ip("::").is_unspecified());
    EXPECT_FALSE(ip("0.0.0.1").is_unspecified());
    EXPECT_TRUE(ip("0.0.0.0").is_v4());
    EXPECT_FALSE(ip("::").is_v4());
    EXPECT_EQ(ip("1.2.3.4").to_v4(), 0x01020304U);
    EXPECT_EQ(IpAddress::v4(0x01020304), ip("1.2.3.4"));
    EXPECT_NE(ip("::"), ip("0.0.0.0"));
}

TEST(Endpoint, Text) {
    EXPECT_EQ((Endpoint{*IpAddress::parse("1.2.3.4"), 80}.text()), "1.2.3.4:80");
    EXPECT_EQ((Endpoint{*IpAddress::parse("::1"), 65535}.text()), "[::1]:65535");
}

TEST(Endpoint, SurvivesTheKernelsForm) {
    for (const char* text : {"1.2.3.4", "0.0.0.0", "::", "::1", "2001:db8::1"}) {
        const Endpoint endpoint{*IpAddress::parse(text), 8080};
        const sys::SocketAddress own = sys::to_sockaddr(endpoint);
        EXPECT_EQ(own.storage.ss_family, endpoint.address.is_v4() ? AF_INET : AF_INET6) << text;
        EXPECT_EQ(sys::from_sockaddr(own.storage, own.length), endpoint) << text;
        EXPECT_FALSE(sys::from_sockaddr(own.storage, own.length - 1)) << text;
        const auto six = sys::to_sockaddr(endpoint, AF_INET6);
        ASSERT_TRUE(six);
        EXPECT_EQ(six->storage.ss_family, AF_INET6);
        EXPECT_EQ(sys::from_sockaddr(six->storage, six->length), endpoint) << text;
        EXPECT_EQ(sys::to_sockaddr(endpoint, AF_INET).has_value(), endpoint.address.is_v4());
    }
    EXPECT_FALSE(sys::to_sockaddr(Endpoint{}, AF_UNIX));
    sockaddr_storage other{};
    other.ss_family = AF_UNIX;
    EXPECT_FALSE(sys::from_sockaddr(other, sizeof other));
}

}  // namespace
}  // namespace rk::model
