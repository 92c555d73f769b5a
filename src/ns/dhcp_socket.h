// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// DHCP is spoken before there is an address, so its datagrams are made and read as whole IP
// packets, on a packet(7) socket of one interface. A filter in the kernel lets only UDP to port 68
// pass, and while nothing is waited for, the socket is bound to an EtherType that does not occur,
// so that traffic costs nothing. Answers that are sent to our address come by the kernel's UDP too,
// which has no socket there and tells the server so (ICMP); servers do not mind.
//
// A message to one server goes to the Ethernet address its last answer came from: the server, or
// the router that leads there.
//
// The socket belongs to the network namespace it was opened in, wherever its owner is.
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "model/mac_address.h"
#include "sys/fd.h"
#include "wire/dhcp_message.h"

#include <optional>
#include <string>

namespace rk::ns {

class DhcpSocket {
 public:
    /// In the network namespace `netns`, or where that is empty in the calling process' own.
    [[nodiscard]] static Result<DhcpSocket> open(const sys::Fd& netns, const std::string& device);

    /// Whether packets arrive; not at first.
    [[nodiscard]] Result<void> listen(bool on);

    [[nodiscard]] Result<void> broadcast(const wire::DhcpQuery& query) const;
    [[nodiscard]] Result<void> send_to(const model::IpAddress& server, const model::MacAddress& mac,
                                       const wire::DhcpQuery& query) const;

    struct Arrival {
        wire::DhcpReply reply;
        model::MacAddress from{};
    };
    /// The next answer of a server that is there, without waiting; what is none is skipped.
    [[nodiscard]] std::optional<Arrival> receive() const;

    [[nodiscard]] sys::FdRef fd() const { return socket_; }
    [[nodiscard]] const model::MacAddress& mac() const { return mac_; }

 private:
    DhcpSocket(sys::Fd socket, int index, const model::MacAddress& mac)
        : socket_(std::move(socket)), index_(index), mac_(mac) {}
    [[nodiscard]] Result<void> send(const model::IpAddress& to, const model::MacAddress& mac,
                                    const wire::DhcpQuery& query) const;

    sys::Fd socket_;
    int index_;
    model::MacAddress mac_;
};

}  // namespace rk::ns
