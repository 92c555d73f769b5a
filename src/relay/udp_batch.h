// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "relay/limits.h"
#include "relay/socket_address.h"
#include "sys/fd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <sys/socket.h>

namespace rk::relay {

/// A received datagram, or several of one size and sender received as one (UDP_GRO).
struct Datagram {
    std::span<std::byte> bytes;
    std::size_t segment = 0;  // bytes of each datagram but the last; 0 where it is a single one
    SocketAddress peer;
    model::IpAddress local;        // the address that was asked
    std::uint16_t local_port = 0;  // ... and the port, on transparent sockets

    [[nodiscard]] std::size_t count() const {
        return segment == 0 ? 1 : (bytes.size() + segment - 1) / segment;
    }
    /// Whether both came from the same socket and asked the same address and port.
    [[nodiscard]] bool same_flow(const Datagram& other) const;
};

/// The receive buffers of a worker and what the last recvmmsg(2) put there.
class UdpBatch {
 public:
    enum class Senders : std::uint8_t { kKnown, kAsked };  // a connected socket's peer is known

    UdpBatch();
    /// Receives what is there, at most one batch. Errors that a connected socket reports (a refused
    /// datagram) are thereby cleared; `refused` says so. Valid until the next call.
    [[nodiscard]] std::span<const Datagram> receive(sys::FdRef socket, Senders senders,
                                                    bool& refused);

 private:
    struct Control {
        alignas(cmsghdr) std::array<std::byte, 128> bytes;
    };
    // Only headers that the call before changed need it, but a change of senders touches all.
    void prepare(Senders senders);
    void parse(std::size_t slot, Senders senders);

    std::unique_ptr<std::byte[]> memory_;  // kUdpBatch slots; pages are touched as they are used
    std::array<mmsghdr, kUdpBatch> headers_{};
    std::array<iovec, kUdpBatch> parts_{};
    std::array<Control, kUdpBatch> controls_{};
    std::array<Datagram, kUdpBatch> datagrams_;
    std::size_t stale_ = kUdpBatch;  // headers that the last call wrote to
    Senders prepared_ = Senders::kAsked;
};

/// Asks for the local address and for bundles; `family` is the socket's.
void prepare_udp_socket(sys::FdRef socket, int family);
/// For a transparent socket: asks for the destination the sender meant.
void prepare_transparent_socket(sys::FdRef socket, int family);
/// The same for the connected socket of a flow.
void prepare_flow_socket(sys::FdRef socket);
/// Throws away what has come so far.
void drop_received(sys::FdRef socket);

}  // namespace rk::relay
