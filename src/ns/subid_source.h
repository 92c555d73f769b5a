// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "model/id_map.h"
#include "model/options.h"
#include "ns/account_files.h"
#include "ns/user_identity.h"
#include "sys/environment.h"

#include <vector>

namespace rk::ns {

/// A user's subordinate IDs, fit for model::make_id_map.
struct SubidRanges {
    std::vector<model::IdRange> uids;
    std::vector<model::IdRange> gids;
};

/// The ranges from the chosen source (--subid-source), normalised; what was changed or skipped is
/// logged as warnings. kNone gives none. Error: "failed to setup UID/GID map: failed to compute
/// uid/gid map: CAUSE".
[[nodiscard]] Result<SubidRanges> compute_subid_ranges(model::SubidSource source,
                                                       const UserIdentity& user,
                                                       const sys::Environment& environment,
                                                       const Logger& log,
                                                       const AccountFiles& files = {});

}  // namespace rk::ns
