// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// vpnkit speaks Ethernet over a UNIX socket; the namespace has a tap. Between them runs a process
// of ours, a fork that never execs. In this order, as each step needs what a later one gives up:
//
//   sheds descriptors     above all copies of listening sockets, and the state directory's lock
//   connects to vpnkit    in the host's mount namespace, where the socket is
//   opens the tap         in the child's user and network namespace; gives it vpnkit's MAC
//   learns its address    by DHCP frames of its own
//   shuts itself in       relay/sandbox.h: no file, no capability, a list of system calls
//   tells the parent      the address, as its word that it is ready
//   copies frames         relay/frame_relay.h, until an end
//
// vpnkit knows it by a UUID that stays the same over all restarts, and so gives the same address.
#pragma once

#include "ns/target_namespaces.h"
#include "sys/clock.h"
#include "sys/fd.h"

#include <chrono>
#include <string>

namespace rk::drivers {

struct VpnkitRelayPlan {
    std::string socket_path;
    std::string uuid;
    std::string device;  // a persistent tap in the target's network namespace
    const ns::TargetNamespaces& target;
    sys::FdRef vpnkit_exited;  // pidfd or -1
    std::chrono::milliseconds ready_time{};
};

/// In the new process; returns its exit status. What goes wrong is a line on stderr. `ready` gets
/// the address as text.
[[nodiscard]] int run_vpnkit_relay(const VpnkitRelayPlan& plan, sys::Fd ready);

}  // namespace rk::drivers
