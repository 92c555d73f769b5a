// SPDX-License-Identifier: Apache-2.0
#include "model/cidr.h"

#include "base/text.h"

#include <string>

#include <arpa/inet.h>

namespace rk::model {

bool Cidr::host_bits_set() const {
    const unsigned bits = ipv6 ? 128 : 32;
    for (unsigned bit = prefix; bit < bits; ++bit) {
        if ((bytes[bit / 8] & (0x80U >> (bit % 8))) != 0) {
            return true;
        }
    }
    return false;
}

std::optional<Ipv4Network> Cidr::ipv4_network() const {
    if (ipv6 || host_bits_set()) {
        return std::nullopt;
    }
    std::uint32_t address = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        address = (address << 8U) | bytes[i];
    }
    return Ipv4Network{address, static_cast<std::uint8_t>(prefix)};
}

std::optional<Cidr> parse_cidr(std::string_view text) {
    const std::size_t slash = text.find('/');
    // inet_pton(3) stops at a zero byte, which would let anything follow.
    if (slash == std::string_view::npos || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::string address(text.substr(0, slash));
    Cidr cidr;
    cidr.ipv6 = address.find(':') != std::string::npos;
    const auto prefix = parse_decimal(text.substr(slash + 1), cidr.ipv6 ? 128 : 32);
    const int family = cidr.ipv6 ? AF_INET6 : AF_INET;
    if (!prefix || ::inet_pton(family, address.c_str(), cidr.bytes.data()) != 1) {
        return std::nullopt;
    }
    cidr.prefix = static_cast<unsigned>(*prefix);
    return cidr;
}

}  // namespace rk::model
