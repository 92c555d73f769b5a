// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// --port-driver=implicit with the builtin network: what waits for clients inside is reached on the
// host's loopback under the same number. Nothing in the API shows it, as with pasta's implicit.
//
// The kernel is asked by a socket for socket diagnostics (wire/sock_diag.h) that was opened in the
// namespace when the gateway was built. Every kImplicitInterval there is a round: each kind of
// socket (TCP and UDP, of either family) is asked for in turn, the answers collected (WantedPorts),
// and at the round's end what is published is made equal to them (ImplicitPublisher). An answer
// that failed ends its round without consequence; a kind the kernel cannot list is given up.
//
// The kernel answers within our calls, so there is nothing to wait for; after kImplicitReads
// datagrams the loop gets its turn all the same, and the round goes on after that.
//
// Our own sockets never show there: the relay calls from the gateway, or by sockets that have a
// peer, and what listens for us does so in the host's network namespace.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/port/implicit_publisher.h"
#include "drivers/port/implicit_wanted.h"
#include "drivers/port/port_driver.h"
#include "loop/event_loop.h"
#include "loop/timer.h"
#include "sys/fd.h"
#include "wire/sock_diag.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace rk::drivers {

/// From the end of a round to the next: what a person does not notice. Four questions that the
/// kernel answers in microseconds are no load.
inline constexpr std::chrono::milliseconds kImplicitInterval{250};
/// Datagrams taken at once, some three hundred sockets each.
inline constexpr int kImplicitReads = 16;

struct ImplicitParts {
    /// For socket diagnostics, nonblocking, of the namespace; borrowed.
    sys::FdRef diagnostics;
    /// The namespace's net.ipv4.ip_local_port_range, to read from; borrowed, may be absent (-1).
    sys::FdRef ephemeral_ports;
    /// Publishes them; borrowed, nobody else adds to it.
    PortDriver& ports;
};

class ImplicitPorts {
 public:
    /// The logger must outlive this.
    ImplicitPorts(const ImplicitParts& parts, const Logger& log);
    ImplicitPorts(const ImplicitPorts&) = delete;
    ImplicitPorts& operator=(const ImplicitPorts&) = delete;
    ImplicitPorts(ImplicitPorts&&) = delete;
    ImplicitPorts& operator=(ImplicitPorts&&) = delete;
    ~ImplicitPorts() = default;

    /// Looks from now on; the loop must outlive this.
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop);

    /// Goes on with a round, or begins one; true at its end.
    bool look(ImplicitPublisher::Time now);

 private:
    enum class Outcome : std::uint8_t { kMore, kNothing, kAnswered };

    void begin_round();
    [[nodiscard]] bool ask();
    [[nodiscard]] Outcome read_answer();
    [[nodiscard]] Outcome take(const wire::DiagEnd& end);
    void complain_of_overflow();

    ImplicitParts parts_;
    const Logger& log_;
    ImplicitPublisher publisher_;
    bool host_has_ipv6_;
    std::vector<std::byte> room_;
    std::optional<loop::Timer> timer_;

    std::optional<WantedPorts> round_;  // empty between rounds
    std::size_t kind_ = 0;              // which is asked for
    bool asked_ = false;
    std::vector<bool> given_up_;  // by kind
    std::uint32_t sequence_ = 0;
    bool told_of_overflow_ = false;
};

}  // namespace rk::drivers
