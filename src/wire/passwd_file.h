// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rk::wire {

/// What we use of a line of passwd(5).
struct PasswdEntry {
    std::string name;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home;
    friend bool operator==(const PasswdEntry&, const PasswdEntry&) = default;
};

/// The first entry of that uid in the text of /etc/passwd or the output of getent(1). Lines that
/// are no entry (comments, NIS markers "+..." and "-...", garbage) are skipped.
[[nodiscard]] std::optional<PasswdEntry> find_passwd_entry(std::string_view text,
                                                           std::uint32_t uid);

}  // namespace rk::wire
