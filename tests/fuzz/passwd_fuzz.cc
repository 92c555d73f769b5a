// SPDX-License-Identifier: Apache-2.0
#include "wire/nsswitch.h"
#include "wire/passwd_file.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto entry = rk::wire::find_passwd_entry(text, 1001);
    if (entry && (entry->uid != 1001 || entry->name.empty())) {
        std::abort();
    }
    static_cast<void>(rk::wire::names_other_subid_source(text));
    static_cast<void>(rk::wire::names_other_passwd_source(text));
    return 0;
}
