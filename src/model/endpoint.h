// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk::model {

/// An IP address of either family as one type: IPv4 is held in its v4-mapped form (RFC
/// 4291, 2.5.5.2), so that code has no twin for each family.
class IpAddress {
 public:
    /// The unspecified IPv6 address.
    constexpr IpAddress() = default;
    constexpr explicit IpAddress(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}
    /// From IPv4 in host byte order.
    [[nodiscard]] static IpAddress v4(std::uint32_t address);
    /// A literal without zone or brackets; "::ffff:1.2.3.4" is IPv4.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_unspecified() const;
    [[nodiscard]] std::uint32_t to_v4() const;  // host byte order; only where is_v4()
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    /// Canonical text (RFC 5952); IPv4 in dotted form.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const IpAddress&, const IpAddress&) = default;
    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;  // NOLINT(*-use-nullptr)

 private:
    std::array<std::uint8_t, 16> bytes_{};
};

/// An address and a port.
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    /// "1.2.3.4:80", "[::1]:80".
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace rk::model
