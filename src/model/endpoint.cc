// SPDX-License-Identifier: Apache-2.0
#include "model/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

namespace rk::model {

namespace {

constexpr std::size_t kMappedPrefix = 12;  // bytes before the IPv4 address in a v4-mapped one
constexpr std::size_t kGroups = 8;         // of 16 bits in an IPv6 address
// The longest IPv6 literal is "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".
constexpr std::size_t kLongestLiteral = INET6_ADDRSTRLEN - 1;

constexpr std::array<std::uint8_t, kMappedPrefix> kMapped = {0, 0, 0, 0, 0,    0,
                                                             0, 0, 0, 0, 0xff, 0xff};

struct ZeroRun {
    std::size_t begin = kGroups;
    std::size_t length = 1;  // RFC 5952, 4.2.2: a single zero group is not shortened
};

std::uint16_t group(const std::array<std::uint8_t, 16>& bytes, std::size_t index) {
    return static_cast<std::uint16_t>(bytes.at(2 * index) << 8U | bytes.at(2 * index + 1));
}

// The first of the longest runs of zero groups (RFC 5952, 4.2.3).
ZeroRun longest_zero_run(const std::array<std::uint8_t, 16>& bytes) {
    ZeroRun best;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < kGroups; ++i) {
        if (group(bytes, i) != 0) {
            begin = i + 1;
        } else if (i + 1 - begin > best.length) {
            best = {begin, i + 1 - begin};
        }
    }
    return best;
}

std::string v6_text(const std::array<std::uint8_t, 16>& bytes) {
    const ZeroRun run = longest_zero_run(bytes);
    std::string text;
    for (std::size_t i = 0; i < kGroups; ++i) {
        if (i == run.begin) {
            text += "::";
            i += run.length - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') {
            text += ':';
        }
        text += fmt::format("{:x}", group(bytes, i));
    }
    return text;
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t address) {
    std::array<std::uint8_t, 16> bytes{};
    std::copy(kMapped.begin(), kMapped.end(), bytes.begin());
    for (std::size_t i = 0; i < 4; ++i) {
        bytes.at(kMappedPrefix + i) = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    }
    return IpAddress(bytes);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton(3) stops at a zero byte, which would let anything follow.
    if (text.size() > kLongestLiteral || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::string terminated(text);
    in_addr four{};
    if (::inet_pton(AF_INET, terminated.c_str(), &four) == 1) {
        return v4(ntohl(four.s_addr));
    }
    std::array<std::uint8_t, 16> six{};
    if (::inet_pton(AF_INET6, terminated.c_str(), six.data()) == 1) {
        return IpAddress(six);
    }
    return std::nullopt;
}

bool IpAddress::is_v4() const {
    return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
}

bool IpAddress::is_loopback() const {
    static constexpr std::array<std::uint8_t, 16> kLoopback = {0, 0, 0, 0, 0, 0, 0, 0,
                                                               0, 0, 0, 0, 0, 0, 0, 1};
    return is_v4() ? bytes_[kMappedPrefix] == 127 : bytes_ == kLoopback;
}

bool IpAddress::is_unspecified() const {
    return is_v4() ? to_v4() == 0 : *this == IpAddress();
}

std::uint32_t IpAddress::to_v4() const {
    std::uint32_t address = 0;
    for (std::size_t i = kMappedPrefix; i < bytes_.size(); ++i) {
        address = address << 8U | bytes_.at(i);
    }
    return address;
}

std::string IpAddress::text() const {
    if (is_v4()) {
        return fmt::format("{}.{}.{}.{}", bytes_[12], bytes_[13], bytes_[14], bytes_[15]);
    }
    return v6_text(bytes_);
}

std::string Endpoint::text() const {
    return address.is_v4() ? fmt::format("{}:{}", address.text(), port)
                           : fmt::format("[{}]:{}", address.text(), port);
}

}  // namespace rk::model
