// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "relay/list.h"
#include "relay/slab.h"
#include "relay/socket_address.h"
#include "sys/fd.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rk::relay {

struct UdpPort;

/// The first datagrams of a flow, to be sent again where its other target is.
struct KeptDatagrams {
    struct Piece {
        std::size_t size = 0;
        std::size_t segment = 0;  // as in Datagram
    };
    std::vector<std::byte> bytes;
    std::vector<Piece> pieces;
};

/// One client of one published UDP port, as seen at one of this host's addresses: a socket of its
/// own inside, so that the service can tell clients apart.
struct UdpFlow : SlabPlace {
    UdpPort* port = nullptr;
    SocketAddress peer;
    model::IpAddress local;
    sys::Fd socket;
    std::int64_t touched_ms = 0;
    bool with_source = true;  // replies can be sent from `local`
    bool bundles_in = true;
    bool bundles_out = true;
    bool fell_back = false;  // it leads to the port's second target
    std::int64_t fell_back_ms = 0;
    std::unique_ptr<KeptDatagrams> kept;
    std::int64_t kept_until_ms = 0;
    ListLink<UdpFlow> by_keeping;
    UdpFlow* chain = nullptr;  // of the table's bucket
    ListLink<UdpFlow> by_age;
    ListLink<UdpFlow> of_port;
};

/// The flows of one worker by client, port and asked address. Buckets are made once, for the bound
/// of flows; the hash has a seed of its own, as clients choose what is hashed.
class FlowTable {
 public:
    explicit FlowTable(std::size_t most_flows);

    [[nodiscard]] UdpFlow* find(const UdpPort& port, const SocketAddress& peer,
                                const model::IpAddress& local);
    void insert(UdpFlow& flow);
    void erase(UdpFlow& flow);

 private:
    [[nodiscard]] UdpFlow** bucket(const UdpPort& port, const SocketAddress& peer,
                                   const model::IpAddress& local);

    std::vector<UdpFlow*> buckets_;  // a power of two
    std::uint64_t seed_;
};

}  // namespace rk::relay
