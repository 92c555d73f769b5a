// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace rk::model {

/// A published port as somebody wrote it; addresses and numbers may still make no sense.
struct PortFields {
    std::string proto;
    std::string parent_ip;
    std::int64_t parent_port = 0;
    std::string child_ip;
    std::int64_t child_port = 0;
};

/// Splits "[PARENT_IP]:PARENT_PORT[:[CHILD_IP]]:CHILD_PORT/PROTO" (IPv6 addresses in square
/// brackets). Checks the grammar, protocol and addresses, not the range of ports: that is what a
/// client of the API may decide for itself.
[[nodiscard]] Result<PortFields> parse_port_fields(std::string_view text);

/// A published port that makes sense: a known protocol, addresses that are "" or IP literals
/// without zone, ports in 1..65535. Protocol and addresses keep their spelling, as clients of the
/// API look their ports up by it.
class PortSpec {
 public:
    [[nodiscard]] static Result<PortSpec> parse(std::string_view text);
    /// The same checks for fields that did not come as one text.
    [[nodiscard]] static Result<PortSpec> from_fields(PortFields fields);

    [[nodiscard]] const std::string& proto() const { return proto_; }
    [[nodiscard]] const std::string& parent_ip() const { return parent_ip_; }
    [[nodiscard]] std::uint16_t parent_port() const { return parent_port_; }
    [[nodiscard]] const std::string& child_ip() const { return child_ip_; }
    [[nodiscard]] std::uint16_t child_port() const { return child_port_; }

    /// Whether both claim the same parent port: protocol, parent IP and port are written the same.
    /// What else overlaps ("tcp" and "tcp4") is for the kernel to say.
    [[nodiscard]] bool conflicts_with(const PortSpec& other) const;

    /// The form used in error messages: "{tcp 127.0.0.1 8080 80 }".
    [[nodiscard]] std::string in_braces() const;

    friend bool operator==(const PortSpec&, const PortSpec&) = default;

 private:
    PortSpec() = default;

    std::string proto_;
    std::string parent_ip_;
    std::string child_ip_;
    std::uint16_t parent_port_ = 0;
    std::uint16_t child_port_ = 0;
};

/// Whether a text is an IPv4 or IPv6 literal (no zone, no brackets).
[[nodiscard]] bool is_ip_literal(std::string_view text);

}  // namespace rk::model
