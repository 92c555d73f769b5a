// SPDX-License-Identifier: Apache-2.0
#include "wire/resolv_conf.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace rk::wire {

namespace {

// More than any C library uses (glibc: 3 name servers; since 2.26 no limit of domains).
constexpr std::size_t kMaxWords = 64;

// `rotate` shares the load among name servers, of which there is one now. `debug` prints.
// `inet6` asks for addresses that glibc has not returned for years.
constexpr auto kSenselessOptions = std::to_array<std::string_view>({"rotate", "debug", "inet6"});

bool printable(std::string_view word) {
    return std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool senseless(std::string_view option) {
    return std::find(kSenselessOptions.begin(), kSenselessOptions.end(), option) !=
           kSenselessOptions.end();
}

void add(std::vector<std::string>& list, std::string_view word) {
    if (printable(word) && list.size() < kMaxWords &&
        std::find(list.begin(), list.end(), word) == list.end()) {
        list.emplace_back(word);
    }
}

void take_line(ResolvConf& config, const std::vector<std::string_view>& words) {
    const std::string_view keyword = words.front();
    if (keyword == "nameserver" && words.size() > 1) {
        add(config.nameservers, words[1]);
    } else if (keyword == "domain" && words.size() > 1) {
        config.search.clear();
        add(config.search, words[1]);
    } else if (keyword == "search" && words.size() > 1) {
        config.search.clear();
        std::for_each(words.begin() + 1, words.end(),
                      [&](std::string_view word) { add(config.search, word); });
    } else if (keyword == "options") {
        std::for_each(words.begin() + 1, words.end(), [&](std::string_view word) {
            if (!senseless(word)) {
                add(config.options, word);
            }
        });
    }
}

void append_line(std::string& text, std::string_view keyword,
                 const std::vector<std::string>& words) {
    if (!words.empty()) {
        text += fmt::format("{} {}\n", keyword, join(words, " "));
    }
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
    ResolvConf config;
    for (std::string_view line : split(text, '\n')) {
        // Comments start in the first column only, resolv.conf(5); a word that starts with one of
        // these is none of ours either.
        const std::vector<std::string_view> words = split_blanks(line);
        if (!words.empty()) {
            take_line(config, words);
        }
    }
    return config;
}

std::string format_resolv_conf(const ResolvConf& config) {
    std::string text;
    for (const std::string& server : config.nameservers) {
        append_line(text, "nameserver", {server});
    }
    append_line(text, "search", config.search);
    append_line(text, "options", config.options);
    return text;
}

}  // namespace rk::wire
