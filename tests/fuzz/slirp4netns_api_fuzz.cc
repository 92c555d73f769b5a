// SPDX-License-Identifier: Apache-2.0
// What slirp4netns answers.
#include "wire/slirp4netns_api.h"

#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view reply(reinterpret_cast<const char*>(data), size);
    static_cast<void>(rk::wire::decode_add_hostfwd_reply(reply));
    static_cast<void>(rk::wire::decode_remove_hostfwd_reply(reply));
    static_cast<void>(rk::wire::decode_list_hostfwd_reply(reply));
    return 0;
}
