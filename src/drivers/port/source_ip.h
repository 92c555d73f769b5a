// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "model/network.h"
#include "ns/target_namespaces.h"
#include "ns/transparent_routes.h"
#include "sys/environment.h"
#include "sys/fd.h"

#include <string>
#include <utility>

#include <sys/types.h>

namespace rk::drivers {

/// Whether services inside can see the client's address, as a probe connection found.
struct SourceIpSupport {
    bool ipv4 = false;
    bool ipv6 = false;
    /// Services that are not on loopback addresses are covered, too (nf_tables or iptables).
    bool any_target = false;
    /// For info: "nft", "iptables", "marks (services on loopback addresses only: REASON)", or "none
    /// (REASON)".
    std::string backend;
};

/// --source-ip-transparent-backend; kAuto is nf_tables and, without it, marks alone.
struct SourceIpRequest {
    model::SourceIpBackend backend = model::SourceIpBackend::kAuto;
    sys::Environment environment;  // where iptables is looked for
};

/// A forked process that prepares the namespaces (ns/transparent_routes.h) and proves it with a
/// connection from a foreign address to a listener inside. It takes milliseconds, most of them
/// waiting for the kernel, so whoever starts a command meanwhile does not pay for them; at worst a
/// few seconds. Killed and reaped where nobody waits for it.
class SourceIpSetup {
 public:
    /// One that has ended before it began.
    explicit SourceIpSetup(SourceIpSupport outcome) : outcome_(std::move(outcome)) {}
    [[nodiscard]] static SourceIpSetup begin(const ns::TargetNamespaces& target,
                                             const SourceIpRequest& request);
    SourceIpSetup(const SourceIpSetup&) = delete;
    SourceIpSetup& operator=(const SourceIpSetup&) = delete;
    SourceIpSetup(SourceIpSetup&& other) noexcept;
    SourceIpSetup& operator=(SourceIpSetup&&) = delete;
    ~SourceIpSetup();

    /// What came out; waits for it the first time.
    [[nodiscard]] const SourceIpSupport& outcome();
    /// Readable once outcome() no longer waits; -1 where it has been asked for.
    [[nodiscard]] sys::FdRef ready() const { return report_; }

 private:
    SourceIpSetup(pid_t pid, sys::Fd report) : pid_(pid), report_(std::move(report)) {}
    [[nodiscard]] Result<SourceIpSupport> collect();
    void end();

    pid_t pid_ = 0;
    sys::Fd report_;
    SourceIpSupport outcome_;
};

/// The same in the calling process and its network namespace.
[[nodiscard]] SourceIpSupport set_up_source_ip_here(const ns::RoutesRequest& request);

}  // namespace rk::drivers
