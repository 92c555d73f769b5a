// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace rk::ns {

/// Where the system keeps its accounts. Tests put their own files here; there is no option for it,
/// because newuidmap(1) reads the real ones whatever we do.
struct AccountFiles {
    std::string passwd = "/etc/passwd";
    std::string nsswitch = "/etc/nsswitch.conf";
    std::string subuid = "/etc/subuid";
    std::string subgid = "/etc/subgid";
};

}  // namespace rk::ns
