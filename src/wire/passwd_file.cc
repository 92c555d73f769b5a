// SPDX-License-Identifier: Apache-2.0
#include "wire/passwd_file.h"

#include "base/text.h"

namespace rk::wire {

namespace {

// NAME:PASSWORD:UID:GID:GECOS:HOME:SHELL; an empty shell may lack its colon.
constexpr std::size_t kMinFields = 6;

std::optional<PasswdEntry> parse_line(std::string_view line) {
    const std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < kMinFields || fields[0].empty()) {
        return std::nullopt;
    }
    const char first = fields[0].front();
    const auto uid = parse_decimal(fields[2], UINT32_MAX);
    const auto gid = parse_decimal(fields[3], UINT32_MAX);
    if (first == '#' || first == '+' || first == '-' || !uid || !gid) {
        return std::nullopt;
    }
    return PasswdEntry{.name = std::string(fields[0]),
                       .uid = static_cast<std::uint32_t>(*uid),
                       .gid = static_cast<std::uint32_t>(*gid),
                       .home = std::string(fields[5])};
}

}  // namespace

std::optional<PasswdEntry> find_passwd_entry(std::string_view text, std::uint32_t uid) {
    for (const std::string_view line : split(text, '\n')) {
        auto entry = parse_line(trim(line));
        if (entry && entry->uid == uid) {
            return entry;
        }
    }
    return std::nullopt;
}

}  // namespace rk::wire
