// SPDX-License-Identifier: Apache-2.0
//
// rootlessctl: a client of the API of a running rootlesskit.
#include "tools/rootlessctl.h"

#include "sys/environment.h"
#include "sys/standard_fds.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    rk::sys::open_missing_standard_fds();
    return rk::tools::run_rootlessctl(std::vector<std::string>(argv, argv + argc),
                                      rk::sys::Environment::of_process(), RK_VERSION);
}
