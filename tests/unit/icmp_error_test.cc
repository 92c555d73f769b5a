// SPDX-License-Identifier: Apache-2.0
#include "wire/icmp_error.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::wire {
namespace {

std::string hex(const std::array<std::byte, kMaxIcmpError>& bytes, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        constexpr const char* kDigits = "0123456789abcdef";
        const auto value = std::to_integer<unsigned>(bytes[i]);
        text += kDigits[value >> 4U];
        text += kDigits[value & 15U];
    }
    return text;
}

model::Endpoint endpoint(const char* address, std::uint16_t port) {
    return {*model::IpAddress::parse(address), port};
}

// Sums worked out by hand after RFC 1071: 16-bit words of header and message add up to 0xffff.
unsigned folded_sum(const std::array<std::byte, kMaxIcmpError>& bytes, std::size_t from,
                    std::size_t to) {
    unsigned sum = 0;
    for (std::size_t i = from; i < to; i += 2) {
        sum += std::to_integer<unsigned>(bytes[i]) << 8U | std::to_integer<unsigned>(bytes[i + 1]);
    }
    while (sum > 0xffff) {
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return sum;
}

TEST(IcmpError, CarriesTheDatagramsAddressesAndPorts) {
    std::array<std::byte, kMaxIcmpError> out{};
    const std::size_t size = put_icmp_error(out, Unreachable::kPort, endpoint("10.0.2.100", 40000),
                                            endpoint("192.0.2.1", 53));
    ASSERT_EQ(size, 36U);
    EXPECT_EQ(hex(out, 2), "0303");
    EXPECT_EQ(folded_sum(out, 0, size), 0xffffU);
    EXPECT_EQ(folded_sum(out, 8, 28), 0xffffU);
    EXPECT_EQ(hex(out, size).substr(40), "0a000264c00002019c40003500080000");
}

TEST(IcmpError, OfIpv6HasItsOwnCodes) {
    std::array<std::byte, kMaxIcmpError> out{};
    const std::size_t size = put_icmp_error(out, Unreachable::kProhibited, endpoint("fd00::100", 1),
                                            endpoint("2001:db8::1", 2));
    ASSERT_EQ(size, 56U);
    EXPECT_EQ(hex(out, 4), "01010000");  // the kernel fills in the checksum
    EXPECT_EQ(hex(out, size).substr(16),
              "6000000000081140"
              "fd000000000000000000000000000100"
              "20010db8000000000000000000000001"
              "0001000200080000");
}

TEST(IcmpError, EachReasonHasItsCode) {
    const std::pair<Unreachable, const char*> codes[] = {{Unreachable::kPort, "0303"},
                                                         {Unreachable::kNetwork, "0300"},
                                                         {Unreachable::kHost, "0301"},
                                                         {Unreachable::kProhibited, "030d"}};
    for (const auto& [reason, code] : codes) {
        std::array<std::byte, kMaxIcmpError> out{};
        static_cast<void>(
            put_icmp_error(out, reason, endpoint("10.0.2.100", 1), endpoint("192.0.2.1", 2)));
        EXPECT_EQ(hex(out, 2), code);
    }
}

}  // namespace
}  // namespace rk::wire
