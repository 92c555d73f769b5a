// SPDX-License-Identifier: Apache-2.0
//
// What slirp4netns(1) is asked and answers on its API socket, "API SOCKET" in its manual: one JSON
// object each way and connection.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

/// The name of the socket in the state directory.
inline constexpr const char* kSlirp4netnsSocket = ".s4nn.sock";

/// A port of the host that slirp4netns carries to an address of the namespace.
struct HostForward {
    std::string proto;      // "tcp" or "udp"; others it refuses itself
    std::string host_addr;  // IPv4; "" is taken for 0.0.0.0
    std::uint16_t host_port = 0;
    std::string guest_addr;
    std::uint16_t guest_port = 0;
};

/// No sound answer is longer (bytes): some 150 for each of all ports that a machine may have.
inline constexpr std::size_t kMaxSlirp4netnsReply = std::size_t{16} << 20U;

[[nodiscard]] std::string encode_add_hostfwd(const HostForward& forward);
[[nodiscard]] std::string encode_remove_hostfwd(std::int64_t id);
[[nodiscard]] std::string encode_list_hostfwd();

/// The ID of the new forwarding. What is no answer at all has the code EPROTO; refusals have none
/// and are "reply.Error: map[desc:bad request: ...]". What is no answer at all is an error with the
/// code EPROTO.
[[nodiscard]] Result<std::int64_t> decode_add_hostfwd_reply(std::string_view reply);
[[nodiscard]] Result<void> decode_remove_hostfwd_reply(std::string_view reply);
/// The IDs of all forwardings.
[[nodiscard]] Result<std::vector<std::int64_t>> decode_list_hostfwd_reply(std::string_view reply);

}  // namespace rk::wire
