// SPDX-License-Identifier: Apache-2.0
#include "gateway/resolvers.h"

#include "wire/resolv_conf.h"

#include <array>
#include <utility>

namespace rk::gateway {

namespace {

constexpr std::uint32_t kLoopback4 = 0x7f000001;
constexpr std::array<std::uint8_t, 16> kLoopback6 = {0, 0, 0, 0, 0, 0, 0, 0,
                                                     0, 0, 0, 0, 0, 0, 0, 1};

model::IpAddress or_this_host(const model::IpAddress& address) {
    if (!address.is_unspecified()) {
        return address;
    }
    return address.is_v4() ? model::IpAddress::v4(kLoopback4) : model::IpAddress(kLoopback6);
}

}  // namespace

std::vector<model::IpAddress> upstream_resolvers(std::string_view resolv_conf) {
    std::vector<model::IpAddress> servers;
    for (const std::string& name : wire::parse_resolv_conf(resolv_conf).nameservers) {
        const auto address = model::IpAddress::parse(name);
        if (address && servers.size() < kMaxResolvers) {
            servers.push_back(or_this_host(*address));
        }
    }
    if (servers.empty()) {
        servers.push_back(model::IpAddress::v4(kLoopback4));
    }
    return servers;
}

void Resolvers::replace(std::vector<model::IpAddress> servers) {
    if (servers.size() > kMaxResolvers) {
        servers.resize(kMaxResolvers);
    }
    if (servers != servers_) {
        servers_ = std::move(servers);
        current_ = 0;
    }
}

std::optional<model::IpAddress> Resolvers::choose(std::int64_t now) {
    if (servers_.empty()) {
        return std::nullopt;
    }
    if (current_ != 0 && now >= retry_first_at_) {
        retry_first_at_ = now + kRetryFirstResolverMs;
        return servers_.front();
    }
    return servers_[current_];
}

void Resolvers::failed(const model::IpAddress& server, std::int64_t now) {
    if (servers_.empty()) {
        return;
    }
    if (server == servers_.front()) {
        retry_first_at_ = now + kRetryFirstResolverMs;
    }
    if (server == servers_[current_]) {
        current_ = (current_ + 1) % servers_.size();
    }
}

void Resolvers::answered(const model::IpAddress& server) {
    if (!servers_.empty() && server == servers_.front()) {
        current_ = 0;
    }
}

}  // namespace rk::gateway
