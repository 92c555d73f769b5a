// SPDX-License-Identifier: Apache-2.0
#include "gateway/translation.h"

#include "gateway/kernel_names.h"

#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>

namespace rk::gateway {

namespace {

model::IpAddress loopback_of(const FamilyPlan& family) {
    return *model::IpAddress::parse(family.gateway.is_v4() ? "127.0.0.1" : "::1");
}

bool in_network(const model::IpAddress& address, const FamilyPlan& family) {
    const auto& one = address.bytes();
    const auto& other = family.gateway.bytes();
    unsigned bits = family.prefix + (family.gateway.is_v4() ? 96U : 0U);
    for (std::size_t i = 0; i < one.size() && bits > 0; ++i) {
        const unsigned here = bits < 8 ? bits : 8;
        const unsigned mask = 0xffU << (8U - here) & 0xffU;
        if (((one[i] ^ other[i]) & mask) != 0) {
            return false;
        }
        bits -= here;
    }
    return true;
}

// On the host such an address is the host itself, or nobody.
bool is_never_passed_on(const model::IpAddress& address) {
    const auto& bytes = address.bytes();
    if (address.is_v4()) {
        const std::uint32_t v4 = address.to_v4();
        return v4 >> 24U == 0 || v4 >> 24U == 127 || v4 >> 28U >= 0xe;  // also 240.0.0.0/4
    }
    const bool link_local = bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80;
    return address.is_unspecified() || address.is_loopback() || link_local || bytes[0] == 0xff;
}

}  // namespace

Destination Translation::of(const model::Endpoint& asked, std::int64_t now) {
    for (const FamilyPlan* family : {&plan_.v4, plan_.v6 ? &*plan_.v6 : nullptr}) {
        if (family == nullptr || family->gateway.is_v4() != asked.address.is_v4()) {
            continue;
        }
        if (in_network(asked.address, *family)) {
            return own_address(asked, *family, now);
        }
    }
    if (is_never_passed_on(asked.address)) {
        return {.target = asked, .refusal = ENETUNREACH};
    }
    return {.target = asked};
}

bool Translation::is_inside(const model::IpAddress& address) const {
    const FamilyPlan* const family = address.is_v4() ? &plan_.v4 : plan_.v6 ? &*plan_.v6 : nullptr;
    return family != nullptr && in_network(address, *family) && address != family->gateway &&
           address != family->dns;
}

Destination Translation::own_address(const model::Endpoint& asked, const FamilyPlan& family,
                                     std::int64_t now) {
    if (asked.address == family.dns && asked.port == kDnsPort) {
        return resolver(now);
    }
    if (asked.address == family.gateway) {
        if (loopback_ == HostLoopback::kForbidden) {
            return {.target = asked, .refusal = EACCES};
        }
        return {.target = {loopback_of(family), asked.port}};
    }
    return {.target = asked, .refusal = asked.address == family.dns ? ECONNREFUSED : EHOSTUNREACH};
}

Destination Translation::resolver(std::int64_t now) {
    const std::lock_guard lock(mutex_);
    const std::optional<model::IpAddress> chosen = resolvers_.choose(now);
    if (!chosen) {
        return {.target = {}, .refusal = ENETUNREACH, .dns = true};
    }
    return {.target = {*chosen, kDnsPort}, .dns = true};
}

void Translation::set_resolvers(std::vector<model::IpAddress> resolvers) {
    const std::lock_guard lock(mutex_);
    resolvers_.replace(std::move(resolvers));
}

void Translation::resolver_failed(const model::Endpoint& resolver, std::int64_t now) {
    const std::lock_guard lock(mutex_);
    resolvers_.failed(resolver.address, now);
}

void Translation::resolver_answered(const model::Endpoint& resolver) {
    const std::lock_guard lock(mutex_);
    resolvers_.answered(resolver.address);
}

}  // namespace rk::gateway
