// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// For source-IP transparency the relay connects to the service inside from a socket that is bound
// to the client's address (IP_TRANSPARENT). Getting there needs no help. What the service answers
// is addressed to the client, though, and the namespace would send it out by its default route. It
// has to be delivered here instead, to the relay's socket:
//
//   * routing table kTable delivers everything locally ("local default dev lo"), and packets with
//   the
//     reply mark use it ("ip rule fwmark ... lookup ..."), for IPv4 and IPv6;
//   * net.ipv4.tcp_fwmark_accept=1 (it is also IPv6's) makes accepted sockets inherit the mark of
//   the
//     SYN; net.ipv[46].fwmark_reflect=1 makes resets carry it, so that a refused connection is seen
//     at once and not after a timeout.
//
// The relay sets kRelayMark on its sockets (SO_MARK). Two ways to get from there to the reply mark:
//
//   kNft: kReplyMark differs from kRelayMark, so that the relay's own packets are routed like
//   anybody else's, to other interfaces too. nf_tables writes it to the connection (output: mark
//   kRelayMark -> ct mark kReplyMark) and from there to every packet that comes in (prerouting: ct
//   mark -> mark). This covers services that are reached through DNAT or a bridge (CNI's portmap):
//   their replies come in by a bridge, go through prerouting, and are delivered here.
//
//   kIptables: the same two rules, set by the iptables and ip6tables programs: for whoever wants
//   all rules of a namespace to be in one place, or has a kernel without nf_tables.
//
//   kMarkOnly: without either both marks are the same one. It only works for services on loopback
//   addresses: what the relay sends anywhere else would be delivered here, too.
//
// rp_filter does not matter on lo: packets over the loopback device keep the route they left with,
// and only packets without one are checked.
//
// Not done: undoing it. It lasts as long as the namespace, marked packets only.
#pragma once

#include "base/result.h"
#include "sys/environment.h"

#include <cstdint>
#include <string>

namespace rk::ns {

/// SO_MARK of the relay's transparent sockets.
inline constexpr std::uint32_t kRelayMark = 100;
/// The mark of replies with nf_tables.
inline constexpr std::uint32_t kReplyMark = 101;
/// Routing table, and priority of the rules that lead to it; the original's numbers.
inline constexpr std::uint32_t kTransparentTable = 100;
inline constexpr std::uint32_t kTransparentPriority = 100;

enum class ReplyRouting { kNft, kIptables, kMarkOnly };

/// What is wanted.
struct RoutesRequest {
    ReplyRouting routing = ReplyRouting::kNft;
    bool marks_will_do = true;     // kMarkOnly is better than nothing
    sys::Environment environment;  // for kIptables: PATH
};

/// What could be set up.
struct TransparentRoutes {
    ReplyRouting routing = ReplyRouting::kMarkOnly;
    std::string why_marks_only;  // where more was wanted
    bool ipv6 = false;
};

/// Sets all of it up in the calling process' network namespace, with its /proc/sys. Needs
/// CAP_NET_ADMIN there. May be called again. Fails only where IPv4 cannot work as requested.
[[nodiscard]] Result<TransparentRoutes> set_up_transparent_routes(const RoutesRequest& request);

}  // namespace rk::ns
