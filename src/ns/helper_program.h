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

/// Where a program is that is started again later: looked up in the caller's PATH once, and made
/// absolute, since a relative path would depend on who looks. Error: `exec: "NAME": executable file
/// not found in $PATH`.
[[nodiscard]] Result<std::string> find_helper(const std::string& name,
                                              const sys::Environment& environment);

/// Finds arguments[0] in the caller's PATH and starts it. Error: `exec: "NAME": executable file not
/// found in $PATH` or "fork/exec PATH: why".
[[nodiscard]] Result<sys::RunningProgram> start_helper(const std::vector<std::string>& arguments,
                                                       const sys::Environment& environment);

}  // namespace rk::ns
