// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace rk::model {

/// What the gateway of --net=builtin counts since its relay process started.
struct GatewayStats {
    std::uint64_t held_syns = 0;        // now: connections that wait for their destination
    std::uint64_t tcp_opened = 0;       // connections to the outside
    std::uint64_t tcp_refused = 0;      // answered inside with a reset
    std::uint64_t tcp_unreachable = 0;  // answered inside with an ICMP error
    std::uint64_t tcp_timed_out = 0;
    std::uint64_t syn_dropped = 0;  // at a limit
    std::uint64_t udp_flows = 0;    // now
    std::uint64_t udp_opened = 0;
    std::uint64_t udp_dropped = 0;  // datagrams
    std::uint64_t dns_udp = 0;      // queries to the gateway's resolver
    std::uint64_t dns_tcp = 0;
    std::uint64_t dns_failed = 0;  // of them, without an answer from any resolver
    std::uint64_t echo_sent = 0;
    std::uint64_t echo_answered = 0;
    std::uint64_t echo_lost = 0;
    std::uint64_t denied = 0;     // by the egress rules
    std::uint64_t bytes_out = 0;  // from the namespace
    std::uint64_t bytes_in = 0;

    friend bool operator==(const GatewayStats&, const GatewayStats&) = default;
};

/// Visits every counter with its name in the API, always in this order; for reading and writing.
template <typename Stats, typename Visitor>
void each_gateway_counter(Stats& stats, Visitor visit) {
    visit("heldSYNs", stats.held_syns);
    visit("tcpOpened", stats.tcp_opened);
    visit("tcpRefused", stats.tcp_refused);
    visit("tcpUnreachable", stats.tcp_unreachable);
    visit("tcpTimedOut", stats.tcp_timed_out);
    visit("synDropped", stats.syn_dropped);
    visit("udpFlows", stats.udp_flows);
    visit("udpOpened", stats.udp_opened);
    visit("udpDropped", stats.udp_dropped);
    visit("dnsUDP", stats.dns_udp);
    visit("dnsTCP", stats.dns_tcp);
    visit("dnsFailed", stats.dns_failed);
    visit("echoSent", stats.echo_sent);
    visit("echoAnswered", stats.echo_answered);
    visit("echoLost", stats.echo_lost);
    visit("denied", stats.denied);
    visit("bytesOut", stats.bytes_out);
    visit("bytesIn", stats.bytes_in);
}
inline constexpr std::size_t kGatewayCounters = 18;
static_assert(sizeof(GatewayStats) == kGatewayCounters * sizeof(std::uint64_t));

}  // namespace rk::model
