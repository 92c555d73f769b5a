// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rk::wire {

/// What a file's `security.capability` attribute grants to who executes it (capabilities(7)).
struct FileCapabilities {
    std::uint64_t permitted = 0;
    std::uint64_t inheritable = 0;
    bool effective = false;                // the permitted ones are raised at once
    std::optional<std::uint32_t> root_id;  // revision 3: holds only where this uid is root
};

/// Decodes the attribute's bytes (struct vfs_cap_data, <linux/capability.h>: little-endian on every
/// machine), revisions 1 to 3. Empty where the size does not fit the revision.
[[nodiscard]] std::optional<FileCapabilities> parse_vfs_cap(std::string_view bytes);

}  // namespace rk::wire
