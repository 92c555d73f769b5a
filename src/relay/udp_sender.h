// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Datagrams of one flow leave in as few calls as the kernel allows: neighbours of equal size become
// one bundle (UDP_SEGMENT), bundles and odd ones go into one sendmmsg(2). A bundle the kernel
// refuses (a segment larger than the path's MTU, a device without checksums) is sent again one by
// one, and the flow makes no more bundles.
//
// A pending error of a connected socket (the service refused an earlier datagram) is reported
// instead of sending; it is then cleared, so the same datagram is sent again, once.
#pragma once

#include "relay/limits.h"
#include "relay/udp_batch.h"
#include "sys/fd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/socket.h>

namespace rk::relay {

/// What became of some datagrams.
struct SendTally {
    std::uint64_t bytes = 0;
    std::uint64_t dropped = 0;  // datagrams
    std::uint64_t refused = 0;  // times the service was not there
};

/// Where datagrams go, and what was learnt about the way.
struct UdpRoute {
    sys::FdRef socket = sys::FdRef(-1);
    const SocketAddress* to = nullptr;  // null on a connected socket
    int family = 0;                     // of the socket; for the source address
    model::IpAddress source;
    bool with_source = false;  // send from `source`; cleared where the kernel will not
    bool bundles = true;       // cleared where the kernel will not
};

/// Room for a source address and a segment size.
struct UdpControl {
    alignas(cmsghdr) std::array<std::byte, 96> bytes;
};

class UdpSender {
 public:
    /// Sends them all or counts them as dropped; never waits.
    void send(UdpRoute& route, std::span<const Datagram> datagrams, SendTally& tally);

 private:
    // One message to be sent: datagrams first..first+count of the batch.
    struct Bundle {
        std::size_t first = 0;
        std::size_t count = 0;
        std::size_t bytes = 0;
        std::size_t segment = 0;  // 0: a single datagram
    };
    [[nodiscard]] static Bundle next_bundle(const UdpRoute& route,
                                            std::span<const Datagram> datagrams, std::size_t first);
    void compose(const UdpRoute& route, const Bundle& bundle, std::size_t slot);
    void transmit(UdpRoute& route, std::span<const Datagram> datagrams, std::size_t count,
                  SendTally& tally);

    std::array<mmsghdr, kUdpBatch> headers_{};
    std::array<iovec, kUdpBatch> parts_{};
    std::array<UdpControl, kUdpBatch> controls_{};
    std::array<Bundle, kUdpBatch> bundles_{};
};

}  // namespace rk::relay
