// SPDX-License-Identifier: Apache-2.0
#include "wire/proc_status.h"

#include "base/text.h"

#include <charconv>

namespace rk::wire {

namespace {

std::optional<std::uint64_t> parse_hex(std::string_view text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
    if (error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

ProcStatus parse_proc_status(std::string_view text) {
    ProcStatus status;
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) {
            continue;
        }
        const std::string_view key = line.substr(0, colon);
        const std::string_view value = trim(line.substr(colon + 1));
        if (key == "NoNewPrivs") {
            if (const auto number = parse_decimal(value, 1)) {
                status.no_new_privs = *number == 1;
            }
        } else if (key == "Seccomp") {
            if (const auto number = parse_decimal(value, UINT32_MAX)) {
                status.seccomp_mode = static_cast<std::uint32_t>(*number);
            }
        } else if (key == "CapEff") {
            status.effective_capabilities = parse_hex(value);
        } else if (key == "CapBnd") {
            status.bounding_capabilities = parse_hex(value);
        }
    }
    return status;
}

}  // namespace rk::wire
