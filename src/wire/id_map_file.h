// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/id_map.h"

#include <string_view>

namespace rk::wire {

/// Parses /proc/PID/uid_map or gid_map (user_namespaces(7)): lines of three decimal numbers.
[[nodiscard]] Result<model::IdMap> parse_id_map_file(std::string_view text);

/// Whether every ID of `range` is an inside ID of `map`; the range may span several entries.
[[nodiscard]] bool covers(const model::IdMap& map, const model::IdRange& range);

}  // namespace rk::wire
