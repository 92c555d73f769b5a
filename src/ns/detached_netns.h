// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

#include <string>

namespace rk::ns {

/// Makes a new network namespace with its loopback up and binds it on the existing file `path` in
/// the caller's mount namespace (network_namespaces(7)). The caller stays where it is: it could not
/// return to a network namespace of another user namespace, so a forked process does the entering.
[[nodiscard]] Result<void> create_detached_netns(const std::string& path);

}  // namespace rk::ns
