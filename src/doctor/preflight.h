// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "model/options.h"

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::doctor {

/// What is looked at before every start, so at most three small files: texts of kernel switches as
/// read, empty where the file does not exist.
struct PreflightFacts {
    uid_t uid = 0;  // effective
    std::optional<std::string> unprivileged_userns_clone;
    std::optional<std::string> max_user_namespaces;
    std::optional<std::string> mountinfo;  // only read where the propagation is not private
};

[[nodiscard]] PreflightFacts gather_preflight(model::Propagation propagation);

/// The warnings to log before the start, in the original's words, which scripts and guides quote.
/// None of them stops the start. Pure.
[[nodiscard]] std::vector<std::string> preflight_warnings(const PreflightFacts& facts,
                                                          model::Propagation propagation);

/// Gathers and logs in one.
void preflight(const model::Options& options, const Logger& log);

}  // namespace rk::doctor
