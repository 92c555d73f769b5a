// SPDX-License-Identifier: Apache-2.0
//
// What port drivers do with their entries, a map whose values have a `status`.
#pragma once

#include "base/result.h"
#include "model/port_status.h"

#include <vector>

namespace rk::drivers {

/// Whether a port can be added beside those there are. Error: "conflict with ID 3".
template <typename Entries>
[[nodiscard]] Result<void> check_conflict(const Entries& entries, const model::PortSpec& spec) {
    for (const auto& [id, entry] : entries) {
        if (entry.status.spec.conflicts_with(spec)) {
            return fail("conflict with ID {}", id);
        }
    }
    return {};
}

template <typename Entries>
[[nodiscard]] std::vector<model::PortStatus> list_statuses(const Entries& entries) {
    std::vector<model::PortStatus> statuses;
    statuses.reserve(entries.size());
    for (const auto& [id, entry] : entries) {
        statuses.push_back(entry.status);
    }
    return statuses;
}

}  // namespace rk::drivers
