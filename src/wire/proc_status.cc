// SPDX-License-Identifier: Apache-2.0
#include "wire/proc_status.h"

#include "base/text.h"

namespace rk::wire {

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
            status.effective_capabilities = parse_hexadecimal(value);
        } else if (key == "CapBnd") {
            status.bounding_capabilities = parse_hexadecimal(value);
        }
    }
    return status;
}

}  // namespace rk::wire
