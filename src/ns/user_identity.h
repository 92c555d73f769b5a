// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "ns/account_files.h"
#include "sys/environment.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rk::ns {

/// Who started us.
struct UserIdentity {
    std::uint32_t uid = 0;  // the real uid, which newuidmap goes by
    std::uint32_t gid = 0;  // the group of this process, which becomes group 0 inside
    std::string name;
    std::string home;  // "" = unknown
    /// The primary group of the user's passwd entry; empty where there is no entry. newgidmap and
    /// newuidmap of shadow up to 4.13 refuse everything if the process runs with another group.
    std::optional<std::uint32_t> passwd_gid;
};

/// Looks the user up: /etc/passwd, then `getent passwd UID` where nsswitch.conf names another
/// source of users, then $USER and $HOME. Fails where even $USER is missing.
[[nodiscard]] Result<UserIdentity> find_user(const sys::Environment& environment, const Logger& log,
                                             const AccountFiles& files = {});

}  // namespace rk::ns
