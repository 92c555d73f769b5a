// SPDX-License-Identifier: Apache-2.0
#include "gateway/counters.h"

namespace rk::gateway {

model::GatewayStats sum_of(std::span<const Counters> counters) {
    model::GatewayStats sum;
    for (const Counters& one : counters) {
        sum.held_syns += one.held_syns.get();
        sum.tcp_opened += one.tcp_opened.get();
        sum.tcp_refused += one.tcp_refused.get();
        sum.tcp_unreachable += one.tcp_unreachable.get();
        sum.tcp_timed_out += one.tcp_timed_out.get();
        sum.syn_dropped += one.syn_dropped.get();
        sum.udp_flows += one.udp_flows.get();
        sum.udp_opened += one.udp_opened.get();
        sum.udp_dropped += one.udp_dropped.get();
        sum.dns_udp += one.dns_udp.get();
        sum.dns_tcp += one.dns_tcp.get();
        sum.dns_failed += one.dns_failed.get();
        sum.echo_sent += one.echo_sent.get();
        sum.echo_answered += one.echo_answered.get();
        sum.echo_lost += one.echo_lost.get();
        sum.denied += one.denied.get();
        sum.bytes_out += one.bytes_out.get();
        sum.bytes_in += one.bytes_in.get();
    }
    return sum;
}

}  // namespace rk::gateway
