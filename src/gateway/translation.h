// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// What the namespace asks for is mostly what it gets. Two addresses mean something else: the
// gateway is the host's loopback (unless that is forbidden), and port 53 of the name server is a
// resolver of the host. Some mean nothing: an address that on the host would lead to the host
// itself by another name (0.0.0.0, 127.0.0.1, ::1, link-local ones) is never passed on.
#pragma once

#include "gateway/plan.h"
#include "model/endpoint.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace rk::gateway {

enum class HostLoopback : std::uint8_t { kReachable, kForbidden };

/// Where to call, or why not.
struct Destination {
    model::Endpoint target;
    int refusal = 0;   // an errno; 0: call
    bool dns = false;  // the target is a resolver
};

/// Shared by all workers.
class Translation {
 public:
    Translation(const Plan& plan, HostLoopback loopback) : plan_(plan), loopback_(loopback) {}

    [[nodiscard]] Destination of(const model::Endpoint& asked) const;

    /// Replaces the host's resolvers; at most three are used, as by resolv.conf(5).
    void set_resolvers(std::vector<model::IpAddress> resolvers);
    /// This resolver refused or did not answer: the next one is asked from now on.
    void resolver_failed(const model::Endpoint& resolver);

 private:
    [[nodiscard]] Destination resolver() const;
    [[nodiscard]] Destination own_address(const model::Endpoint& asked,
                                          const FamilyPlan& family) const;

    Plan plan_;
    HostLoopback loopback_;
    mutable std::mutex mutex_;
    std::vector<model::IpAddress> resolvers_;
    std::size_t current_ = 0;
};

}  // namespace rk::gateway
