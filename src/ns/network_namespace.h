// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <functional>
#include <string>

namespace rk::ns {

/// The network namespace bound on `path`, to be entered at any later time.
[[nodiscard]] Result<sys::Fd> open_network_namespace(const std::string& path);

/// Does `work` in the network namespace `netns`, or where that is empty here. A forked process does
/// it: the caller could not return to a network namespace of another user namespace (setns(2)).
[[nodiscard]] Result<void> in_network_namespace(const sys::Fd& netns,
                                                const std::function<Result<void>()>& work);

}  // namespace rk::ns
