// SPDX-License-Identifier: Apache-2.0
//
// The doctor's parsers: os-release, /proc/PID/status, uid_map, security.capability, the files of
// sub-IDs. None may crash; a map that was understood covers its own entries, and a range that is
// advised is free.
#include "doctor/subid_advice.h"
#include "wire/id_map_file.h"
#include "wire/lxc_usernet.h"
#include "wire/os_release.h"
#include "wire/proc_status.h"
#include "wire/vfs_cap.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(rk::wire::parse_os_release(text));
    static_cast<void>(rk::wire::find_usernet_grant(text, "alice", "lxcbr0"));
    static_cast<void>(rk::wire::parse_proc_status(text));
    static_cast<void>(rk::wire::parse_vfs_cap(text));

    rk::doctor::SubidSpace space;
    space.subuid_text = text;
    space.uid_map = {{.inside = 0, .outside = 0, .length = UINT32_MAX}};
    if (const auto map = rk::wire::parse_id_map_file(text)) {
        for (const auto& entry : *map) {
            if (!rk::wire::covers(*map, {.start = entry.inside, .length = entry.length})) {
                __builtin_trap();
            }
        }
        space.uid_map = *map;
    }
    space.gid_map = space.uid_map;
    if (const auto range = rk::doctor::free_subid_range(space)) {
        if (range->start == 0 || !rk::wire::covers(space.uid_map, *range)) {
            __builtin_trap();
        }
    }
    return 0;
}
