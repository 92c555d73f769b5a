// SPDX-License-Identifier: Apache-2.0
#include "wire/lxc_usernet.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

namespace rk::wire {

UsernetGrant find_usernet_grant(std::string_view text, std::string_view user,
                                std::string_view bridge) {
    UsernetGrant found = UsernetGrant::kNone;
    for (const std::string_view line : split(text, '\n')) {
        const auto words = split_blanks(line);
        const bool about_it = words.size() >= 4 && words[1] == "veth" && words[2] == bridge &&
                              parse_decimal(words[3]).value_or(0) > 0;
        if (!about_it) {
            continue;
        }
        if (words[0] == user) {
            return UsernetGrant::kToUser;
        }
        if (words[0].starts_with('@')) {
            found = UsernetGrant::kToGroup;
        }
    }
    return found;
}

}  // namespace rk::wire
