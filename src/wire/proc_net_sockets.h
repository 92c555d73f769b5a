// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <string_view>
#include <vector>

namespace rk::wire {

/// Where sockets wait, by a file of /proc/net (proc(5)).
///
/// `text` is that of tcp or tcp6: sockets that listen; or of udp or udp6: sockets without a peer.
/// Lines that make no sense are skipped. A dual-stack socket is in the file for IPv6 with the
/// unspecified IPv6 address.
[[nodiscard]] std::vector<model::Endpoint> waiting_tcp(std::string_view text);
[[nodiscard]] std::vector<model::Endpoint> waiting_udp(std::string_view text);

}  // namespace rk::wire
