// SPDX-License-Identifier: Apache-2.0
#include "wire/icmp_error.h"

#include <algorithm>

namespace rk::wire {

namespace {

constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kUdpHeader = 8;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint8_t kHops = 64;
constexpr std::uint8_t kIcmpUnreachable = 3;
constexpr std::uint8_t kIcmpv6Unreachable = 1;

struct Codes {
    std::uint8_t icmp;
    std::uint8_t icmpv6;
};
// By Unreachable: port, network, host, administratively prohibited.
constexpr std::array<Codes, 4> kCodes = {{{3, 4}, {0, 0}, {1, 3}, {13, 1}}};

class Writer {
 public:
    explicit Writer(std::span<std::byte> out) : out_(out) {}
    Writer& u8(std::size_t at, std::uint8_t value) {
        out_[at] = static_cast<std::byte>(value);
        return *this;
    }
    Writer& be16(std::size_t at, std::uint16_t value) {
        return u8(at, static_cast<std::uint8_t>(value >> 8U))
            .u8(at + 1, static_cast<std::uint8_t>(value));
    }
    Writer& address(std::size_t at, const model::IpAddress& value) {
        const auto& bytes = value.bytes();
        const std::size_t skipped = value.is_v4() ? 12 : 0;
        for (std::size_t i = skipped; i < bytes.size(); ++i) {
            u8(at + i - skipped, bytes[i]);
        }
        return *this;
    }

 private:
    std::span<std::byte> out_;
};

// RFC 1071.
std::uint16_t checksum(std::span<const std::byte> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        sum += std::to_integer<std::uint32_t>(bytes[i]) << 8U |
               std::to_integer<std::uint32_t>(bytes[i + 1]);
    }
    while (sum >> 16U != 0) {
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

void put_udp(std::span<std::byte> out, const model::Endpoint& from, const model::Endpoint& to) {
    Writer(out).be16(0, from.port).be16(2, to.port).be16(4, kUdpHeader);
}

std::size_t put_v4(std::span<std::byte> out, std::uint8_t code, const model::Endpoint& from,
                   const model::Endpoint& to) {
    const std::size_t size = kIcmpHeader + kIpv4Header + kUdpHeader;
    const auto inner = out.subspan(kIcmpHeader, kIpv4Header);
    Writer(inner)
        .u8(0, 0x45)
        .be16(2, kIpv4Header + kUdpHeader)
        .u8(8, kHops)
        .u8(9, kProtocolUdp)
        .address(12, from.address)
        .address(16, to.address)
        .be16(10, checksum(inner));
    put_udp(out.subspan(kIcmpHeader + kIpv4Header), from, to);
    Writer(out).u8(0, kIcmpUnreachable).u8(1, code);
    Writer(out).be16(2, checksum(out.first(size)));
    return size;
}

std::size_t put_v6(std::span<std::byte> out, std::uint8_t code, const model::Endpoint& from,
                   const model::Endpoint& to) {
    Writer(out.subspan(kIcmpHeader))
        .u8(0, 0x60)
        .be16(4, kUdpHeader)
        .u8(6, kProtocolUdp)
        .u8(7, kHops)
        .address(8, from.address)
        .address(24, to.address);
    put_udp(out.subspan(kIcmpHeader + kIpv6Header), from, to);
    Writer(out).u8(0, kIcmpv6Unreachable).u8(1, code);
    return kIcmpHeader + kIpv6Header + kUdpHeader;
}

}  // namespace

std::size_t put_icmp_error(std::array<std::byte, kMaxIcmpError>& out, Unreachable reason,
                           const model::Endpoint& from, const model::Endpoint& to) {
    out.fill(std::byte{0});
    const Codes& codes = kCodes.at(static_cast<std::size_t>(reason));
    return from.address.is_v4() ? put_v4(out, codes.icmp, from, to)
                                : put_v6(out, codes.icmpv6, from, to);
}

}  // namespace rk::wire
