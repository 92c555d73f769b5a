// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation. A line is
//
//     36 35 98:0 /root /mount/point rw,noatime master:1 shared:2 - ext4 /dev/root
//     rw,errors=continue
//
// with single blanks between the fields, any number of optional fields before the "-", and \ooo for
// blank, tab, newline, '#' and backslash. Splitting at single blanks matters: a filesystem mounted
// with an empty source shows as two blanks in a row.
#include "wire/mountinfo.h"

#include "base/text.h"

#include <algorithm>
#include <optional>

namespace rk::wire {

namespace {

constexpr std::size_t kFixedFields = 6;  // before the optional ones
constexpr std::size_t kFieldsAfterDash = 3;

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

// A backslash that starts no escape stays: better a strange path than none.
std::string decode_escapes(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && text.size() - i > 3 && text[i + 1] <= '3' &&
                            is_octal(text[i + 1]) && is_octal(text[i + 2]) && is_octal(text[i + 3]);
        if (!escape) {
            decoded.push_back(text[i]);
            continue;
        }
        const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
        decoded.push_back(static_cast<char>(value));
        i += 3;
    }
    return decoded;
}

bool read_number(std::string_view text, std::uint32_t& number) {
    const auto value = parse_decimal(text, UINT32_MAX);
    number = static_cast<std::uint32_t>(value.value_or(0));
    return value.has_value();
}

bool read_device(std::string_view text, MountInfo& mount) {
    const std::size_t colon = text.find(':');
    return colon != std::string_view::npos &&
           read_number(text.substr(0, colon), mount.device_major) &&
           read_number(text.substr(colon + 1), mount.device_minor);
}

std::optional<MountInfo> parse_fields(const std::vector<std::string_view>& fields) {
    if (fields.size() < kFixedFields) {
        return std::nullopt;
    }
    const auto dash = std::find(fields.begin() + kFixedFields, fields.end(), "-");
    if (static_cast<std::size_t>(fields.end() - dash) < 1 + kFieldsAfterDash) {
        return std::nullopt;
    }
    MountInfo mount;
    if (!read_number(fields[0], mount.id) || !read_number(fields[1], mount.parent) ||
        !read_device(fields[2], mount)) {
        return std::nullopt;
    }
    mount.root = decode_escapes(fields[3]);
    mount.mount_point = decode_escapes(fields[4]);
    mount.options = decode_escapes(fields[5]);
    mount.optional_fields.assign(fields.begin() + kFixedFields, dash);
    mount.type = decode_escapes(dash[1]);
    mount.source = decode_escapes(dash[2]);
    mount.super_options = decode_escapes(dash[3]);
    if (mount.root.empty() || mount.mount_point.empty() || mount.type.empty()) {
        return std::nullopt;
    }
    return mount;
}

}  // namespace

bool MountInfo::shared() const {
    return std::any_of(optional_fields.begin(), optional_fields.end(),
                       [](std::string_view field) { return field.substr(0, 7) == "shared:"; });
}

Result<MountInfo> parse_mountinfo_line(std::string_view line) {
    auto mount = parse_fields(split(line, ' '));
    if (!mount) {
        return fail("malformed mountinfo line {}", quote(line));
    }
    return std::move(*mount);
}

MountTable parse_mountinfo(std::string_view text) {
    MountTable table;
    for (const std::string_view line : split(text, '\n')) {
        if (line.empty()) {
            continue;
        }
        auto mount = parse_mountinfo_line(line);
        if (mount) {
            table.mounts.push_back(std::move(*mount));
        } else {
            table.malformed.emplace_back(line);
        }
    }
    return table;
}

}  // namespace rk::wire
