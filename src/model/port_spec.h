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
    std::int64_t parent_port_end = 0;  // last port of a range; 0 = a single port
    std::int64_t child_port_end = 0;

    friend bool operator==(const PortFields&, const PortFields&) = default;
};

/// Splits "[PARENT_IP]:PARENT_PORT[:[CHILD_IP]]:CHILD_PORT/PROTO" (IPv6 addresses in square
/// brackets; a port may be a range "FIRST-LAST"). "fd:NAME" in place of parent address and port
/// means the listening socket of that name which socket activation passed in. Checks the grammar,
/// protocol and addresses, not what the ports are: that is what a client of the API may decide for
/// itself.
[[nodiscard]] Result<PortFields> parse_port_fields(std::string_view text);

/// A published port, or a range of ports, that makes sense: a known protocol, addresses that are ""
/// or IP literals without zone, child ports in 1..65535, parent ports too, or 0 for any free port
/// (see check_one_fixed_port()), ranges of equal length. Protocol and addresses keep their
/// spelling, as clients of the API look their ports up by it.
///
/// The parent IP "fd:NAME" with parent port 0 stands for an inherited socket.
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
    /// How many consecutive ports there are, from the two above on.
    [[nodiscard]] std::uint16_t count() const { return count_; }
    [[nodiscard]] bool is_range() const { return count_ > 1; }
    /// The last port of the range; the only one where it is none.
    [[nodiscard]] std::uint16_t parent_port_end() const;
    [[nodiscard]] std::uint16_t child_port_end() const;
    /// NAME of "fd:NAME"; empty where the parent address is one.
    [[nodiscard]] std::string_view inherited_name() const;

    /// The same with what port 0 or an inherited socket turned out to be.
    [[nodiscard]] PortSpec with_parent(std::string parent_ip, std::uint16_t parent_port) const;

    /// "invalid ParentPort: 0" where the port is left to the system, and
    /// "... is no single port" for a range: what drivers that can do neither say.
    [[nodiscard]] Result<void> check_one_fixed_port() const;

    /// Whether both claim the same parent port: protocol and parent IP are written the same and
    /// the ports overlap. What else overlaps ("tcp" and "tcp4") is for the kernel to say.
    [[nodiscard]] bool conflicts_with(const PortSpec& other) const;

    /// The form used in error messages: "{tcp 127.0.0.1 8080 80 }", "{tcp  8000-8010 80-90 }".
    [[nodiscard]] std::string in_braces() const;

    friend bool operator==(const PortSpec&, const PortSpec&) = default;

 private:
    PortSpec() = default;

    std::string proto_;
    std::string parent_ip_;
    std::string child_ip_;
    std::uint16_t parent_port_ = 0;
    std::uint16_t child_port_ = 0;
    std::uint16_t count_ = 1;
};

/// Whether a text is an IPv4 or IPv6 literal (no zone, no brackets).
[[nodiscard]] bool is_ip_literal(std::string_view text);

}  // namespace rk::model
