// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/mac_address.h"
#include "ns/target_namespaces.h"
#include "sys/fd.h"

#include <string>

namespace rk::ns {

/// Makes a persistent tap interface in the given namespaces; it is still down. It stays when the
/// program that uses it ends, with its addresses and routes, so that the next one can take over. An
/// interface of that name that is a tap already is taken as it is.
///
/// /dev/net/tun is this process' own. Error: "create interface NAME: open /dev/net/tun: why", with
/// the errno.
[[nodiscard]] Result<void> create_tap(const TargetNamespaces& namespaces, const std::string& name);

/// Opens one in the network namespace that this process is in; non-blocking. Each read and write is
/// one Ethernet frame.
[[nodiscard]] Result<sys::Fd> open_tap_here(const std::string& name);
/// Gives an opened one another address; it may be up.
[[nodiscard]] Result<void> set_mac_address(sys::FdRef tap, const std::string& name,
                                           const model::MacAddress& address);

}  // namespace rk::ns
