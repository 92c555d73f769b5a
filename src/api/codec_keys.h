// SPDX-License-Identifier: Apache-2.0
//
// Internal to the codec: what its two halves (codec.cc for servers, client_codec.cc for clients)
// must agree on.
#pragma once

namespace rk::api {

// One list for both directions, so that they cannot differ.
template <typename Visitor, typename Counters>
void each_counter(Counters& counters, Visitor visit) {
    visit("accepted", counters.accepted);
    visit("active", counters.active);
    visit("refused", counters.refused);
    visit("errors", counters.errors);
    visit("bytesIn", counters.bytes_in);
    visit("bytesOut", counters.bytes_out);
    visit("dropped", counters.dropped);
}

template <typename Visitor, typename Health>
void each_helper_value(Health& health, Visitor visit) {
    visit("running", health.running);
    visit("pid", health.pid);
    visit("restarts", health.restarts);
}

template <typename Visitor, typename Health>
void each_health_value(Health& health, Visitor visit) {
    visit("running", health.running);
    visit("pid", health.pid);
    visit("restarts", health.restarts);
    visit("openConnections", health.open_connections);
    visit("udpFlows", health.udp_flows);
    visit("openFDs", health.open_fds);
    visit("fdLimit", health.fd_limit);
}

}  // namespace rk::api
