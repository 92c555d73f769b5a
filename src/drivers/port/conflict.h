// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/port_status.h"

namespace rk::drivers {

/// Whether a port can be added beside those of a driver, a map whose values have a `status`. Error:
/// "conflict with ID 3".
template <typename Entries>
[[nodiscard]] Result<void> check_conflict(const Entries& entries, const model::PortSpec& spec) {
    for (const auto& [id, entry] : entries) {
        if (entry.status.spec.conflicts_with(spec)) {
            return fail("conflict with ID {}", id);
        }
    }
    return {};
}

}  // namespace rk::drivers
