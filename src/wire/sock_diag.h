// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Which sockets of a network namespace wait for clients is asked from the kernel by sock_diag(7):
// one request names an address family, a protocol and the states that are wanted, and is answered
// with one message a socket, in as many datagrams as it takes, and a last message that says that
// this was all. The kernel goes only through what the states leave: for TCP its table of listeners.
//
// A TCP socket waits where it listens. UDP has no such state: a socket that is bound and has no
// peer waits, be it a server's or a client's that has sent without connecting.
//
// DiagReader walks a received datagram and never reads past it. Ports and addresses are big-endian
// there, all else is in host order.
#pragma once

#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

namespace rk::wire {

enum class DiagProtocol : std::uint8_t { kTcp, kUdp };
enum class DiagFamily : std::uint8_t { kIpv4, kIpv6 };

/// One socket that waits for clients.
struct WaitingSocket {
    /// "::" and "0.0.0.0" differ; an IPv6 socket on an IPv4-mapped address is an IPv4 one.
    model::Endpoint local;
    bool v6_only = false;      // an IPv6 wildcard that IPv4 clients do not reach
    std::uint32_t device = 0;  // index of the interface it is bound to; 0: any
    bool connected = false;    // has a peer, and so does not wait
};

/// The end of the answer: 0 or an errno.
struct DiagEnd {
    int code = 0;
};

using DiagContent = std::variant<WaitingSocket, DiagEnd>;

/// A message of the kernel's; the request that it answers has the same sequence number.
struct DiagMessage {
    std::uint32_t sequence = 0;
    DiagContent content;
};

/// The request for the waiting sockets of that kind.
[[nodiscard]] std::string waiting_sockets_request(DiagFamily family, DiagProtocol protocol,
                                                  std::uint32_t sequence);

/// The messages of one received datagram, in order.
class DiagReader {
 public:
    explicit DiagReader(std::span<const std::byte> datagram) : rest_(datagram) {}

    /// Nothing at the end. Messages of other kinds are skipped.
    [[nodiscard]] std::optional<DiagMessage> next();
    /// Messages that were no valid ones, so far. After a wrong length the rest is not looked at.
    [[nodiscard]] std::size_t rejected() const { return rejected_; }

 private:
    std::span<const std::byte> rest_;
    std::size_t rejected_ = 0;
};

}  // namespace rk::wire
