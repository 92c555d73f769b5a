// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/network_setup.h"

#include <cstdint>
#include <string>

namespace rk::ns {

/// Brings the interface up and gives it MTU, address and default route, in the calling process'
/// network namespace. Error: "set up interface DEV: add address 10.0.2.100/24: why".
[[nodiscard]] Result<void> configure_interface(const model::NetworkSetup& setup);

/// Only up, with its MTU: for an address that is asked for over the interface.
[[nodiscard]] Result<void> bring_up_interface(const std::string& device, std::uint32_t mtu);
/// Waits a moment until the interface, which is up, carries packets. When a helper attaches to a
/// tap that is up already, the kernel switches its queue on a little later (net/core/link_watch.c),
/// and drops what is sent until then: the command's first datagram, or ARP request.
void wait_for_carrier(const std::string& device);
/// Takes address and default route back. They may be gone already.
[[nodiscard]] Result<void> remove_address(const model::NetworkSetup& setup);

/// configure_interface() in the network namespace that is bound on `netns`. A forked process does
/// it: the caller could not return to a network namespace of another user namespace (setns(2)).
[[nodiscard]] Result<void> configure_interface_in(const std::string& netns,
                                                  const model::NetworkSetup& setup);

}  // namespace rk::ns
