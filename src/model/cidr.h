// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/network.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rk::model {

/// An address and a prefix length of either family, as written: host bits may be set.
struct Cidr {
    std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 uses the first four
    bool ipv6 = false;
    unsigned prefix = 0;

    [[nodiscard]] bool host_bits_set() const;
    /// The network, if this is IPv4 without host bits.
    [[nodiscard]] std::optional<Ipv4Network> ipv4_network() const;
};

/// Reads "10.0.2.0/24" or "fd00::/64"; nothing where it is neither.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text);

}  // namespace rk::model
