// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "ns/target_namespaces.h"
#include "ns/transparent_routes.h"

#include <string>

namespace rk::drivers {

/// Whether services inside can see the client's address, as a probe connection found.
struct SourceIpSupport {
    bool ipv4 = false;
    bool ipv6 = false;
    /// Services that are not on the namespace's own addresses are covered too (nf_tables).
    bool any_target = false;
    /// For info: "netlink+nft", "netlink", or "none (REASON)".
    std::string backend;
};

/// Prepares the namespaces (ns/transparent_routes.h) and proves it with a connection from a foreign
/// address to a listener inside, in a forked process; takes milliseconds, at worst a few seconds.
[[nodiscard]] SourceIpSupport set_up_source_ip(const ns::TargetNamespaces& target);

/// The same in the calling process' network namespace.
[[nodiscard]] SourceIpSupport set_up_source_ip_here(ns::ReplyRouting best = ns::ReplyRouting::kNft);

}  // namespace rk::drivers
