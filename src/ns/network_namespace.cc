// SPDX-License-Identifier: Apache-2.0
#include "ns/network_namespace.h"

#include "sys/file.h"
#include "sys/process.h"

#include <cerrno>

#include <fcntl.h>
#include <sched.h>

namespace rk::ns {

Result<sys::Fd> open_network_namespace(const std::string& path) {
    return sys::open_file(path, O_RDONLY);
}

Result<void> in_network_namespace(const sys::Fd& netns, const std::function<Result<void>()>& work) {
    if (!netns.valid()) {
        return work();
    }
    return sys::run_forked(0, [&]() -> Result<void> {
        if (::setns(netns.number(), CLONE_NEWNET) < 0) {
            return fail(errno_error(errno, "enter the network namespace"));
        }
        return work();
    });
}

}  // namespace rk::ns
