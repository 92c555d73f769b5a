// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/id_map.h"

#include <optional>
#include <string_view>

#include <sys/types.h>

namespace rk::doctor {

/// Where sub-IDs could come from: the texts of /etc/subuid and /etc/subgid, and the map of the user
/// namespace we are in, outside of which there is nothing to give.
struct SubidSpace {
    std::string_view subuid_text;
    std::string_view subgid_text;
    model::IdMap uid_map;  // of our own user namespace, inside IDs count
    model::IdMap gid_map;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// A range free in both files and both maps: 65536 IDs where there is room, as useradd(8) would
/// choose them (from 100000 up), in a small nested namespace the largest run there is. Empty where
/// not even two IDs are left.
[[nodiscard]] std::optional<model::IdRange> free_subid_range(const SubidSpace& space);

}  // namespace rk::doctor
