// SPDX-License-Identifier: Apache-2.0
//
// The part of the UDP engine that keeps what began a flow until it is known to have arrived.
#include "relay/udp_engine.h"

#include <utility>

namespace rk::relay {

// Past the bound the flow goes without: a client sends again what was lost.
void UdpEngine::keep(UdpFlow& flow, std::span<const Datagram> run, std::int64_t now) {
    std::size_t bytes = 0;
    for (const Datagram& datagram : run) {
        bytes += datagram.bytes.size();
    }
    if (kept_bytes_ + bytes > kUdpKeptBytes) {
        return;
    }
    flow.kept = std::make_unique<KeptDatagrams>();
    flow.kept->bytes.reserve(bytes);
    for (const Datagram& datagram : run) {
        flow.kept->pieces.push_back({datagram.bytes.size(), datagram.segment});
        flow.kept->bytes.insert(flow.kept->bytes.end(), datagram.bytes.begin(),
                                datagram.bytes.end());
    }
    kept_bytes_ += bytes;
    flow.kept_until_ms = now + kUdpKeptMs;
    keepers_.push_back(flow);
}

void UdpEngine::forget(UdpFlow& flow) {
    if (flow.kept != nullptr) {
        kept_bytes_ -= flow.kept->bytes.size();
        keepers_.remove(flow);
        flow.kept.reset();
    }
}

void UdpEngine::send_kept(UdpFlow& flow) {
    if (flow.kept == nullptr) {
        return;
    }
    SendTally tally;
    std::span<std::byte> rest = flow.kept->bytes;
    for (const KeptDatagrams::Piece& piece : flow.kept->pieces) {
        Datagram datagram;
        datagram.bytes = rest.first(piece.size);
        datagram.segment = piece.segment;
        send_in(flow, {&datagram, 1}, tally);
        rest = rest.subspan(piece.size);
    }
    // Their bytes were counted when they came.
    flow.port->counters->dropped.add(tally.dropped);
    flow.port->counters->refused.add(tally.refused);
    forget(flow);
}

}  // namespace rk::relay
