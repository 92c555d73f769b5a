// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/options.h"

namespace rk::ns {

/// Changes how mounts travel between this mount namespace and the one it was copied from
/// (mount_namespaces(7)). A copy owned by a new user namespace starts with every mount a slave; the
/// values without "r" change "/" only.
[[nodiscard]] Result<void> set_propagation(model::Propagation propagation);

}  // namespace rk::ns
