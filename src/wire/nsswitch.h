// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace rk::wire {

/// Whether nsswitch.conf(5) names a source of sub-IDs that is not the files /etc/subuid and
/// /etc/subgid ("subid: sss"); only then can getsubids(1) know more than the files say.
[[nodiscard]] bool names_other_subid_source(std::string_view nsswitch);

/// Whether it names a source of users that is not /etc/passwd. "systemd" is one: it knows the users
/// of systemd-homed.
[[nodiscard]] bool names_other_passwd_source(std::string_view nsswitch);

}  // namespace rk::wire
