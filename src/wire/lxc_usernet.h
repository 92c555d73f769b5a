// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace rk::wire {

/// Whether lxc-usernet(5) lets a user attach interfaces to a bridge.
enum class UsernetGrant {
    kNone,
    kToGroup,  // to a group, which the user may be in
    kToUser,
};

/// Lines are "USER veth BRIDGE COUNT", "@GROUP veth BRIDGE COUNT"; a count of 0 grants nothing.
[[nodiscard]] UsernetGrant find_usernet_grant(std::string_view text, std::string_view user,
                                              std::string_view bridge);

}  // namespace rk::wire
