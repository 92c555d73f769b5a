// SPDX-License-Identifier: Apache-2.0
//
// The beginning of a connection to vpnkit, up to where frames are all there is.
#pragma once

#include "base/result.h"
#include "model/endpoint.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "wire/vpnkit.h"

#include <string>

namespace rk::drivers {

/// A connection to vpnkit whose other end is bounded: by time, and by vpnkit's life.
struct VpnkitPeer {
    std::string socket_path;
    sys::Deadline deadline;
    sys::FdRef exited;  // vpnkit's pidfd, or -1
};

struct VpnkitConnection {
    sys::Fd socket;  // non-blocking
    wire::VpnkitInterface interface;
};
/// Connects, as soon as vpnkit listens, and asks for the interface of a UUID.
[[nodiscard]] Result<VpnkitConnection> connect_vpnkit(const VpnkitPeer& peer,
                                                      const std::string& uuid);

struct VpnkitAddress {
    model::IpAddress address;
    std::string received;  // what came after the frame that told it
};
/// Asks for the interface's address by DHCP, once a second: vpnkit's offer is meant to be taken
/// without a request.
[[nodiscard]] Result<VpnkitAddress> discover_vpnkit_address(const VpnkitPeer& peer,
                                                            const VpnkitConnection& connection);

/// A random UUID.
[[nodiscard]] Result<std::string> random_uuid();

}  // namespace rk::drivers
