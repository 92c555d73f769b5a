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
#include "gateway/resolvers.h"
#include "model/endpoint.h"

#include <cstdint>
#include <mutex>
#include <utility>
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
    Translation(Plan plan, HostLoopback loopback) : plan_(std::move(plan)), loopback_(loopback) {}

    [[nodiscard]] Destination of(const model::Endpoint& asked, std::int64_t now);

    /// Whether answers to this address go to the namespace. To others, which only a forged packet
    /// comes from, they would stay in the gateway: its own address would ask itself for ever.
    [[nodiscard]] bool is_inside(const model::IpAddress& address) const;

    /// Replaces the host's resolvers.
    void set_resolvers(std::vector<model::IpAddress> resolvers);
    /// This resolver refused or did not answer, or did.
    void resolver_failed(const model::Endpoint& resolver, std::int64_t now);
    void resolver_answered(const model::Endpoint& resolver);

 private:
    [[nodiscard]] Destination resolver(std::int64_t now);
    [[nodiscard]] Destination own_address(const model::Endpoint& asked, const FamilyPlan& family,
                                          std::int64_t now);

    Plan plan_;
    HostLoopback loopback_;
    std::mutex mutex_;
    Resolvers resolvers_;
};

}  // namespace rk::gateway
