// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Inside, names are resolved by the network driver's name server, and the host's name leads to the
// namespace itself. Two files in the state directory say so; without --detach-netns they are
// mounted on those in /etc. What tells how to ask, not whom, is taken over from the host's
// resolv.conf: `search` and `options`.
//
// A mount on /etc/resolv.conf disappears when the host replaces that file (rename(2) over a mount
// point of another mount namespace unmounts it there), so /etc should be copied up: then the mount
// points are files of ours. Without that a symlink (systemd-resolved's) is followed, and the mount
// lands on its target.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "model/endpoint.h"

#include <string>
#include <vector>

namespace rk::ns {

/// Writes `hosts` and `resolv.conf` (0644) into the state directory: /etc/hosts with this host's
/// name added, and the name servers. An unreadable /etc/hosts is an error; a missing one is empty.
[[nodiscard]] Result<void> write_resolver_files(const std::string& state_dir,
                                                const std::vector<model::IpAddress>& dns);

/// Other name servers, in the same file: whatever it is mounted on shows them.
[[nodiscard]] Result<void> rewrite_resolv_conf(const std::string& state_dir,
                                               const std::vector<model::IpAddress>& dns);

/// Whether /etc is one of our tmpfs by now.
enum class EtcDirectory { kHosts, kCopiedUp };

/// Mounts the two files on /etc/resolv.conf and /etc/hosts of the calling process' mount namespace.
[[nodiscard]] Result<void> mount_resolver_files(const std::string& state_dir, EtcDirectory etc,
                                                const Logger& log);

}  // namespace rk::ns
