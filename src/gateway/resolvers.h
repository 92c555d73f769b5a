// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The name servers of the host that the gateway's resolver stands for. Queries go to one of them,
// the first to begin with. Where it fails (refused, unreachable, no answer in time) the next one is
// asked from then on. After a while one query tries the first one again, so that a host whose name
// server was restarted is not left with its second choice; only an answer makes it the chosen one,
// so that a first server that stays silent costs one query in that while and not all of them.
//
// A value without a clock or a lock: times are milliseconds of a clock that never goes back, and
// the owner sees to it that calls do not overlap.
#pragma once

#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace rk::gateway {

/// As many as the C library asks (resolv.conf(5), MAXNS).
inline constexpr std::size_t kMaxResolvers = 3;
/// How long a first server that failed is left alone.
inline constexpr std::int64_t kRetryFirstResolverMs = 10'000;

/// The name servers of a resolv.conf, at most kMaxResolvers. Where it names none it is the host
/// itself, as the C library has it; so is an unspecified address. Addresses with a zone are left
/// out.
[[nodiscard]] std::vector<model::IpAddress> upstream_resolvers(std::string_view resolv_conf);

class Resolvers {
 public:
    Resolvers() = default;
    explicit Resolvers(std::vector<model::IpAddress> servers) { replace(std::move(servers)); }

    /// What is past kMaxResolvers is left out. The same list again changes nothing.
    void replace(std::vector<model::IpAddress> servers);

    /// Whom to ask now; nothing where there is nobody.
    [[nodiscard]] std::optional<model::IpAddress> choose(std::int64_t now);
    /// `server` refused or did not answer. Counts only for the chosen one and for the first, so
    /// that many queries that fail together move on by one.
    void failed(const model::IpAddress& server, std::int64_t now);
    void answered(const model::IpAddress& server);

    [[nodiscard]] const std::vector<model::IpAddress>& servers() const { return servers_; }
    [[nodiscard]] std::size_t current() const { return current_; }

 private:
    std::vector<model::IpAddress> servers_;
    std::size_t current_ = 0;
    std::int64_t retry_first_at_ = 0;  // while current_ is not the first
};

}  // namespace rk::gateway
