// SPDX-License-Identifier: Apache-2.0
#include "ns/detached_netns.h"

#include "sys/mount_calls.h"
#include "sys/netlink.h"
#include "sys/process.h"

#include <sched.h>
#include <sys/mount.h>

namespace rk::ns {

Result<void> create_detached_netns(const std::string& path) {
    const auto enter_and_bind = [&]() -> Result<void> {
        TRY(sys::bring_up_loopback());
        return sys::mount({.source = "/proc/self/ns/net",
                           .target = path,
                           .type = "",
                           .flags = MS_BIND,
                           .data = ""});
    };
    TRY_CTX(sys::run_forked(CLONE_NEWNET, enter_and_bind),
            "create a detached network namespace on {}", path);
    return {};
}

}  // namespace rk::ns
