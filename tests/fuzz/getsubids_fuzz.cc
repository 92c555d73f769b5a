// SPDX-License-Identifier: Apache-2.0
#include "wire/getsubids_output.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto output = rk::wire::parse_getsubids_output(text, "getsubids rk");
    if (!output) {
        return 0;
    }
    for (const auto& found : output->ranges) {
        if (found.range.length == 0 || found.range.end() > UINT32_MAX) {
            std::abort();
        }
    }
    return 0;
}
