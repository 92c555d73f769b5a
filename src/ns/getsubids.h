// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "model/id_ranges.h"
#include "ns/user_identity.h"
#include "sys/environment.h"

#include <vector>

namespace rk::ns {

/// Ranges as a source gave them, before normalising.
struct FoundSubids {
    std::vector<model::SourcedRange> uids;
    std::vector<model::SourcedRange> gids;
};

/// Asks getsubids(1) (or the program in $GETSUBIDS) for the ranges of the user's name and uid; the
/// same range found both ways is taken once. No range at all is no error here. Error:
/// "subid-source:dynamic: CAUSE".
[[nodiscard]] Result<FoundSubids> run_getsubids(const UserIdentity& user,
                                                const sys::Environment& environment,
                                                const Logger& log);

}  // namespace rk::ns
