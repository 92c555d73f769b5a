// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Runs a DhcpClient for one interface: first blocking, until there is a lease; then from the event
// loop of the child, which is the command's init and as long-lived as the network. Nothing is
// needed inside of a detached network namespace for that: the socket was opened there once, and for
// the rare change of the address a forked process enters it.
//
// After the start nothing is fatal. A renewal that fails is retried, with a warning; at the end of
// the lease the address is taken off the interface, since by then another machine may have it, and
// a new one is looked for without end. Another address is set up in place of the old one, and
// another name server is written into STATE_DIR/resolv.conf, into the very file, because that is
// what is mounted on /etc/resolv.conf.
//
// Addresses are random and clients come and go, so the lease is given back at the end: pools are
// small.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "drivers/network/dhcp_client.h"
#include "loop/event_loop.h"
#include "loop/timer.h"
#include "model/network_setup.h"
#include "ns/dhcp_socket.h"
#include "sys/clock.h"
#include "sys/fd.h"

#include <memory>
#include <optional>
#include <string>

namespace rk::drivers {

/// How long the first lease may take. Bridges that run the spanning tree protocol are deaf for
/// twice 15 s.
inline constexpr std::chrono::seconds kDhcpTime{30};

class DhcpKeeper {
 public:
    struct Plan {
        model::NetworkSetup setup;  // device and MTU
        sys::Fd netns;              // where the device is; empty: in the caller's
        std::string state_dir;
    };

    /// Brings the interface up, gets an address for it and sets it up. Error: "could not exchange
    /// DHCP with DEV: why" (ETIMEDOUT where nobody answers), "did not get DHCPACK", "got no
    /// Router"...
    [[nodiscard]] static Result<std::unique_ptr<DhcpKeeper>> acquire(Plan plan, const Logger& log);
    DhcpKeeper(const DhcpKeeper&) = delete;
    DhcpKeeper& operator=(const DhcpKeeper&) = delete;
    DhcpKeeper(DhcpKeeper&&) = delete;
    DhcpKeeper& operator=(DhcpKeeper&&) = delete;
    /// Gives the lease back.
    ~DhcpKeeper();

    /// The network with what the server said.
    [[nodiscard]] const model::NetworkSetup& setup() const { return plan_.setup; }
    /// Lets the loop, which must outlive this, keep the lease.
    [[nodiscard]] Result<void> attach(loop::EventLoop& loop);

 private:
    DhcpKeeper(Plan plan, ns::DhcpSocket socket, const Logger& log);

    [[nodiscard]] Result<void> exchange();
    [[nodiscard]] Result<void> wait(sys::Deadline deadline);
    [[nodiscard]] Result<void> judge(const DhcpOutput& output);
    [[nodiscard]] Result<void> send(const DhcpOutput& output);
    [[nodiscard]] Result<void> configure(const DhcpLease& lease);

    void on_packets();
    void on_timer();
    void handle(const DhcpOutput& output);
    void on_granted();
    void on_no_lease();
    void rearm();
    [[nodiscard]] Result<void> listen(bool on);

    Plan plan_;
    ns::DhcpSocket socket_;
    const Logger& log_;
    DhcpClient client_;
    std::optional<DhcpLease> configured_;  // what the interface has
    model::MacAddress server_mac_;         // of whoever sent the lease
    unsigned refusals_ = 0;                // during exchange()
    std::string complaint_;                // about the last answer during exchange()
    bool listening_ = false;
    loop::EventLoop* loop_ = nullptr;
    std::optional<loop::Timer> timer_;
};

}  // namespace rk::drivers
