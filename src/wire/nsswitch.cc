// SPDX-License-Identifier: Apache-2.0
#include "wire/nsswitch.h"

#include "base/text.h"

#include <algorithm>
#include <span>
#include <string>

namespace rk::wire {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// glibc compares database names exactly, shadow's library without case; taking both costs at most
// a needless run of getsubids.
bool is_database(std::string_view text, std::string_view database) {
    return std::ranges::equal(trim(text), database, [](char a, char b) { return lower(a) == b; });
}

// Whether one of the sources, e.g. " files [NOTFOUND=return] sss", is not in `known`.
bool names_other(std::string_view sources, std::span<const std::string_view> known) {
    // "[!NOTFOUND = return]" is an action, blanks and all; it may stick to the words around it.
    std::string plain;
    bool action = false;
    for (const char c : sources) {
        action = c == '[' || (action && c != ']');
        plain += action || c == ']' ? ' ' : c;
    }
    const auto words = split_blanks(plain);
    return std::ranges::any_of(words, [&](std::string_view word) {
        return std::ranges::find(known, word) == known.end();
    });
}

bool names_other_source(std::string_view nsswitch, std::string_view database,
                        std::span<const std::string_view> known) {
    const auto lines = split(nsswitch, '\n');
    return std::ranges::any_of(lines, [&](std::string_view line) {
        line = line.substr(0, line.find('#'));
        const std::size_t colon = line.find(':');
        return colon != std::string_view::npos && is_database(line.substr(0, colon), database) &&
               names_other(line.substr(colon + 1), known);
    });
}

}  // namespace

bool names_other_subid_source(std::string_view nsswitch) {
    static constexpr std::string_view kKnown[] = {"files"};
    return names_other_source(nsswitch, "subid", kKnown);
}

bool names_other_passwd_source(std::string_view nsswitch) {
    static constexpr std::string_view kKnown[] = {"files", "compat"};
    return names_other_source(nsswitch, "passwd", kKnown);
}

}  // namespace rk::wire
