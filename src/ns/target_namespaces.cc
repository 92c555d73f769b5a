// SPDX-License-Identifier: Apache-2.0
#include "ns/target_namespaces.h"

#include "sys/file.h"

#include <cerrno>

#include <fcntl.h>
#include <sched.h>

namespace rk::ns {

Result<TargetNamespaces> TargetNamespaces::of_child(pid_t child,
                                                    const std::string& detached_netns) {
    const std::string proc = fmt::format("/proc/{}/", child);
    sys::Fd user =
        TRY_CTX(sys::open_file(proc + "ns/user", O_RDONLY), "find the child's user namespace");
    const std::string path =
        detached_netns.empty() ? proc + "ns/net" : proc + "root" + detached_netns;
    sys::Fd network = TRY_CTX(sys::open_file(path, O_RDONLY), "find the child's network namespace");
    return TargetNamespaces(std::move(user), std::move(network));
}

Result<void> TargetNamespaces::enter_user() const {
    if (user_.valid() && ::setns(user_.number(), CLONE_NEWUSER) < 0) {
        return fail(errno_error(errno, "enter the child's user namespace"));
    }
    return {};
}

Result<void> TargetNamespaces::enter() const {
    // The user namespace first: it gives the capability that the other one asks for.
    TRY(enter_user());
    if (::setns(network_.number(), CLONE_NEWNET) < 0) {
        return fail(errno_error(errno, "enter the child's network namespace"));
    }
    return {};
}

}  // namespace rk::ns
