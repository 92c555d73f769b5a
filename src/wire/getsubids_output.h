// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/id_ranges.h"

#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

struct GetsubidsOutput {
    std::vector<model::SourcedRange> ranges;  // in the order printed
    std::vector<std::string> warnings;
};

/// What getsubids(1) printed: lines "INDEX: NAME START LENGTH"; index and name are not checked.
/// Fails on the first line that is none; unknown additions are warnings. `origin` is what ranges
/// are said to come from.
[[nodiscard]] Result<GetsubidsOutput> parse_getsubids_output(std::string_view text,
                                                             std::string_view origin);

}  // namespace rk::wire
