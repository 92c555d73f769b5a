// SPDX-License-Identifier: Apache-2.0
#include "ns/helper_program.h"

#include "sys/file.h"

namespace rk::ns {

sys::Environment helper_environment(const sys::Environment& environment) {
    sys::Environment result = environment;
    result.set("LC_ALL", "C");
    return result;
}

Result<std::string> find_helper(const std::string& name, const sys::Environment& environment) {
    return sys::absolute_path(
        TRY(sys::look_up_program(name, environment.get("PATH").value_or(""))));
}

Result<sys::RunningProgram> start_helper(const std::vector<std::string>& arguments,
                                         const sys::Environment& environment) {
    const std::string path =
        TRY(sys::look_up_program(arguments.front(), environment.get("PATH").value_or("")));
    return sys::RunningProgram::start(path, arguments, helper_environment(environment),
                                      sys::no_signals());
}

}  // namespace rk::ns
