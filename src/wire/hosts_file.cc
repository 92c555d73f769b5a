// SPDX-License-Identifier: Apache-2.0
#include "wire/hosts_file.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace rk::wire {

namespace {

// Whether a line of the file maps the name to the address.
bool maps(std::string_view hosts, std::string_view hostname, std::string_view address) {
    const auto lines = split(hosts, '\n');
    return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
        const auto words = split_blanks(line.substr(0, line.find('#')));
        return !words.empty() && words.front() == address &&
               std::find(words.begin() + 1, words.end(), hostname) != words.end();
    });
}

bool can_be_written(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(),
                                        [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
}

}  // namespace

std::string hosts_with_own_name(std::string_view hosts, std::string_view hostname) {
    std::string text(hosts);
    if (!can_be_written(hostname)) {
        return text;
    }
    for (const std::string_view address : {"127.0.0.1", "::1"}) {
        if (!maps(hosts, hostname, address)) {
            if (!text.empty() && text.back() != '\n') {
                text += '\n';
            }
            text += fmt::format("{} {}\n", address, hostname);
        }
    }
    return text;
}

}  // namespace rk::wire
