// SPDX-License-Identifier: Apache-2.0
#include "wire/os_release.h"

#include "base/text.h"

#include <array>
#include <optional>

namespace rk::wire {

namespace {

struct KnownId {
    std::string_view id;
    Distribution distribution;
};

constexpr std::array kKnownIds = {
    KnownId{"debian", Distribution::kDebian},
    KnownId{"ubuntu", Distribution::kUbuntu},
    KnownId{"fedora", Distribution::kFedora},
    KnownId{"rhel", Distribution::kRhel},
    KnownId{"centos", Distribution::kRhel},
    KnownId{"rocky", Distribution::kRhel},
    KnownId{"almalinux", Distribution::kRhel},
    KnownId{"ol", Distribution::kRhel},
    KnownId{"opensuse", Distribution::kOpensuse},
    KnownId{"opensuse-leap", Distribution::kOpensuse},
    KnownId{"opensuse-tumbleweed", Distribution::kOpensuse},
    KnownId{"sles", Distribution::kOpensuse},
    KnownId{"suse", Distribution::kOpensuse},
    KnownId{"arch", Distribution::kArch},
    KnownId{"alpine", Distribution::kAlpine},
};

std::optional<Distribution> find_id(std::string_view id) {
    for (const KnownId& known : kKnownIds) {
        if (known.id == id) {
            return known.distribution;
        }
    }
    return std::nullopt;
}

// The names we look for hold nothing a shell would expand, so quotes are all there is to take off.
std::string_view unquote(std::string_view value) {
    if (value.size() >= 2 && value.front() == value.back() &&
        (value.front() == '"' || value.front() == '\'')) {
        return value.substr(1, value.size() - 2);
    }
    return value;
}

std::string_view find_value(std::string_view text, std::string_view key) {
    for (const std::string_view raw : split(text, '\n')) {
        const std::string_view line = trim(raw);
        if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '=') {
            return unquote(line.substr(key.size() + 1));
        }
    }
    return {};
}

}  // namespace

Distribution parse_os_release(std::string_view text) {
    if (const auto own = find_id(find_value(text, "ID"))) {
        return *own;
    }
    for (const std::string_view like : split_blanks(find_value(text, "ID_LIKE"))) {
        if (const auto similar = find_id(like)) {
            return *similar;
        }
    }
    return Distribution::kOther;
}

}  // namespace rk::wire
