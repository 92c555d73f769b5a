// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/environment.h"
#include "sys/run_program.h"

#include <string>
#include <vector>

namespace rk::ns {

/// The caller's environment with LC_ALL=C: what helpers print is shown next to our own English
/// texts and looked at by the doctor.
[[nodiscard]] sys::Environment helper_environment(const sys::Environment& environment);

/// Finds arguments[0] in the caller's PATH and starts it. Error: `exec: "NAME": executable file not
/// found in $PATH` or "fork/exec PATH: why".
[[nodiscard]] Result<sys::RunningProgram> start_helper(const std::vector<std::string>& arguments,
                                                       const sys::Environment& environment);

}  // namespace rk::ns
