// SPDX-License-Identifier: Apache-2.0
#include "sys/route_requests.h"

#include <gtest/gtest.h>

namespace rk::sys {
namespace {

std::string prefix_route(const char* address, std::uint8_t prefix) {
    return change_prefix_route(7, *model::IpAddress::parse(address), prefix, "reno").finished(1);
}

TEST(RouteRequests, ThePrefixRouteHasNoBitsOfTheHost) {
    using namespace std::string_literals;
    EXPECT_NE(prefix_route("10.0.2.100", 24).find("\x0a\0\x02\0"s), std::string::npos);
    EXPECT_NE(prefix_route("10.0.255.100", 20).find("\x0a\0\xf0\0"s), std::string::npos);
    EXPECT_NE(prefix_route("fd00::64", 64).find("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s),
              std::string::npos);
    EXPECT_EQ(prefix_route("fd00::64", 64).find('\x64'), std::string::npos);
}

TEST(RouteRequests, ARouteNamesItsCongestionControl) {
    const auto gateway = *model::IpAddress::parse("10.0.2.2");
    EXPECT_NE(add_default_route(7, gateway, "reno").finished(1).find("reno"), std::string::npos);
    EXPECT_EQ(add_default_route(7, gateway).finished(1).find("reno"), std::string::npos);
}

}  // namespace
}  // namespace rk::sys
