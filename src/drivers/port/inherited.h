// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "drivers/port/listen.h"
#include "model/endpoint.h"
#include "model/port_spec.h"
#include "sys/environment.h"
#include "sys/fd.h"

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::drivers {

/// A listening TCP socket or bound UDP socket that socket activation handed to this process.
struct InheritedSocket {
    std::string name;         // of LISTEN_FDNAMES
    std::uint16_t place = 0;  // 0 is descriptor 3
    SocketKind kind = SocketKind::kTcp;
    SocketFamily family = SocketFamily::kIpv4;
    model::Endpoint local;
    sys::Fd socket;  // a duplicate of ours: the original may go on to the command
};

/// The sockets that sd_listen_fds(3) promises to process `self`, in order; those that are no
/// internet sockets are left out. Empty where nothing was handed over.
[[nodiscard]] std::vector<InheritedSocket> inherited_sockets(const sys::Environment& environment,
                                                             pid_t self);

/// The socket of that name with the protocol of `spec`. Error: `no inherited socket "NAME" for
/// tcp`.
[[nodiscard]] Result<const InheritedSocket*> find_inherited(
    const std::vector<InheritedSocket>& sockets, const model::PortSpec& spec);

/// The socket that already is what `spec` would listen on; null where there is none.
[[nodiscard]] const InheritedSocket* match_inherited(const std::vector<InheritedSocket>& sockets,
                                                     const model::PortSpec& spec,
                                                     std::uint16_t port);

}  // namespace rk::drivers
