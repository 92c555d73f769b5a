// SPDX-License-Identifier: Apache-2.0
#include "relay/udp_flow.h"

#include "base/hash.h"
#include "relay/udp_engine.h"
#include "sys/random.h"

#include <bit>
#include <cstring>

namespace rk::relay {

namespace {

bool same_peer(const SocketAddress& one, const SocketAddress& other) {
    if (one.any.sa_family == AF_INET) {
        return other.any.sa_family == AF_INET && one.v4.sin_port == other.v4.sin_port &&
               one.v4.sin_addr.s_addr == other.v4.sin_addr.s_addr;
    }
    return other.any.sa_family == AF_INET6 && one.v6.sin6_port == other.v6.sin6_port &&
           one.v6.sin6_scope_id == other.v6.sin6_scope_id &&
           std::memcmp(&one.v6.sin6_addr, &other.v6.sin6_addr, sizeof(in6_addr)) == 0;
}

}  // namespace

FlowTable::FlowTable(std::size_t most_flows)
    : buckets_(std::bit_ceil(most_flows + 1)), seed_(sys::random_u64()) {}

UdpFlow** FlowTable::bucket(const UdpPort& port, const SocketAddress& peer,
                            const model::IpAddress& local) {
    std::uint64_t hash = mix(seed_, port.index);
    if (peer.any.sa_family == AF_INET) {
        hash = mix(hash, std::uint64_t{peer.v4.sin_addr.s_addr} << 16U | peer.v4.sin_port);
    } else {
        hash = mix(hash, std::uint64_t{peer.v6.sin6_scope_id} << 16U | peer.v6.sin6_port);
        hash = mix_address(hash, static_cast<const std::uint8_t*>(peer.v6.sin6_addr.s6_addr));
    }
    hash = mix_address(hash, local.bytes().data());
    return &buckets_[hash & (buckets_.size() - 1)];
}

UdpFlow* FlowTable::find(const UdpPort& port, const SocketAddress& peer,
                         const model::IpAddress& local) {
    UdpFlow* flow = *bucket(port, peer, local);
    while (flow != nullptr &&
           !(flow->port == &port && flow->local == local && same_peer(flow->peer, peer))) {
        flow = flow->chain;
    }
    return flow;
}

void FlowTable::insert(UdpFlow& flow) {
    UdpFlow** const head = bucket(*flow.port, flow.peer, flow.local);
    flow.chain = *head;
    *head = &flow;
}

void FlowTable::erase(UdpFlow& flow) {
    UdpFlow** at = bucket(*flow.port, flow.peer, flow.local);
    while (*at != nullptr && *at != &flow) {
        at = &(*at)->chain;
    }
    if (*at != nullptr) {
        *at = flow.chain;
    }
    flow.chain = nullptr;
}

}  // namespace rk::relay
