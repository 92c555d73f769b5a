// SPDX-License-Identifier: Apache-2.0
#include "gateway/rule_set.h"

#include "gateway/kernel_names.h"
#include "sys/nftables.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

namespace rk::gateway {

namespace {

using sys::NetlinkMessage;
using sys::NftRule;

constexpr std::string_view kHoldChain = "hold";
constexpr std::string_view kSteerChain = "steer";
constexpr std::int32_t kHoldPriority = -300;   // nft(8)'s "raw"
constexpr std::int32_t kSteerPriority = -150;  // "mangle"

constexpr int kAttempts = 3;  // of a transaction that fails by an error that may pass
constexpr std::array kAllModes = {QueueMode::kXtables, QueueMode::kNft, QueueMode::kAcceptFirst};

constexpr std::uint32_t kTcpFlagsOffset = 13;
constexpr std::uint32_t kDestinationPortOffset = 2;
constexpr char kFinSynRstAck = 0x17;
constexpr char kSyn = 0x02;

template <typename T>
std::string byte(T value) {
    return {static_cast<char>(value)};
}

NftRule& is_new_connection(NftRule& rule) {
    return rule.load_meta(NFT_META_L4PROTO)
        .equals(byte(IPPROTO_TCP))
        .load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1)
        .mask(byte(kFinSynRstAck))
        .equals(byte(kSyn));
}

// Where the destination address stands, and its bytes.
struct Destination {
    std::uint8_t family;
    std::uint32_t offset;
    std::string bytes;
};

Destination destination(const model::IpAddress& address) {
    const auto& all = address.bytes();
    if (address.is_v4()) {
        return {NFPROTO_IPV4, 16, std::string(all.begin() + 12, all.end())};
    }
    return {NFPROTO_IPV6, 24, std::string(all.begin(), all.end())};
}

NftRule& load_destination(NftRule& rule, const Destination& to) {
    return rule.load_payload(NFT_PAYLOAD_NETWORK_HEADER, to.offset,
                             static_cast<std::uint32_t>(to.bytes.size()));
}

NftRule& into_queue(NftRule& rule, QueueMode mode, unsigned workers) {
    const auto count = static_cast<std::uint16_t>(workers);
    return mode == QueueMode::kNft ? rule.queue(kFirstQueue, count)
                                   : rule.queue_by_xtables(kFirstQueue, count);
}

NetlinkMessage hold_connections(QueueMode mode, unsigned workers) {
    NftRule rule(kTable, kHoldChain);
    return into_queue(is_new_connection(rule), mode, workers).message();
}

// The gateway's own addresses answer by themselves. The kernel here would answer for all others,
// too, so where requests cannot be held they are refused.
NetlinkMessage hold_echo_requests(QueueMode mode, unsigned workers, const FamilyPlan& family) {
    const Destination gateway = destination(family.gateway);
    const bool v4 = family.gateway.is_v4();
    NftRule rule(kTable, kHoldChain);
    rule.load_meta(NFT_META_NFPROTO)
        .equals(byte(gateway.family))
        .load_meta(NFT_META_L4PROTO)
        .equals(v4 ? byte(IPPROTO_ICMP) : byte(IPPROTO_ICMPV6))
        .load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1)
        .equals(v4 ? byte(ICMP_ECHO) : byte(ICMPV6_ECHO_REQUEST));
    for (const model::IpAddress& own : {family.gateway, family.dns}) {
        load_destination(rule, destination(own)).differs(destination(own).bytes);
    }
    if (mode == QueueMode::kAcceptFirst) {
        return rule.reject_with_icmp(NFT_REJECT_ICMPX_ADMIN_PROHIBITED).message();
    }
    return into_queue(rule, mode, workers).message();
}

NftRule marked(Mark mark) {
    NftRule rule(kTable, kSteerChain);
    rule.load_meta(NFT_META_MARK).equals(sys::host_bytes(static_cast<std::uint32_t>(mark)));
    return rule;
}

NetlinkMessage leave_to_own_dns(const model::IpAddress& dns) {
    const Destination to = destination(dns);
    NftRule rule(kTable, kSteerChain);
    rule.load_meta(NFT_META_L4PROTO)
        .equals(byte(IPPROTO_UDP))
        .load_payload(NFT_PAYLOAD_TRANSPORT_HEADER, kDestinationPortOffset, 2)
        .equals(std::string{'\0', static_cast<char>(kDnsPort)})
        .load_meta(NFT_META_NFPROTO)
        .equals(byte(to.family));
    return load_destination(rule, to).equals(to.bytes).verdict(NF_ACCEPT).message();
}

std::vector<NetlinkMessage> steering(const Plan& plan) {
    std::vector<NetlinkMessage> rules = {
        marked(Mark::kReset).reject_with_reset().message(),
        marked(Mark::kNoRoute).reject_with_icmp(NFT_REJECT_ICMPX_NO_ROUTE).message(),
        marked(Mark::kHostUnreachable).reject_with_icmp(NFT_REJECT_ICMPX_HOST_UNREACH).message(),
        marked(Mark::kProhibited).reject_with_icmp(NFT_REJECT_ICMPX_ADMIN_PROHIBITED).message(),
        leave_to_own_dns(plan.v4.dns),
    };
    if (plan.v6) {
        rules.push_back(leave_to_own_dns(plan.v6->dns));
    }
    NftRule connections(kTable, kSteerChain);
    rules.push_back(is_new_connection(connections).tproxy(kProxyPort).message());
    rules.push_back(NftRule(kTable, kSteerChain)
                        .load_meta(NFT_META_L4PROTO)
                        .equals(byte(IPPROTO_UDP))
                        .tproxy(kProxyPort)
                        .message());
    return rules;
}

NetlinkMessage chain(std::string_view name, std::int32_t priority) {
    return sys::nft_new_chain(kTable, name, {.hook = NF_INET_PRE_ROUTING, .priority = priority});
}

// One transaction, so that a way that fails leaves nothing behind.
std::vector<NetlinkMessage> rule_set(QueueMode mode, const Plan& plan) {
    std::vector<NetlinkMessage> all = {
        sys::nft_new_table(kTable),
        chain(kHoldChain, kHoldPriority),
        chain(kSteerChain, kSteerPriority),
    };
    if (mode != QueueMode::kAcceptFirst) {
        all.push_back(hold_connections(mode, plan.workers));
    }
    all.push_back(hold_echo_requests(mode, plan.workers, plan.v4));
    if (plan.v6) {
        all.push_back(hold_echo_requests(mode, plan.workers, *plan.v6));
    }
    for (NetlinkMessage& rule : steering(plan)) {
        all.push_back(std::move(rule));
    }
    return all;
}

// The kernel knows the way, but is short of something at the moment. Such an error must not lead to
// a lesser way, which would then last as long as the network.
bool is_passing(int code) {
    return code == EINTR || code == EAGAIN || code == ENOMEM || code == ENOBUFS || code == EBUSY;
}

Result<void> install(sys::NetlinkSocket& netfilter, QueueMode mode, const Plan& plan) {
    const std::vector<NetlinkMessage> rules = rule_set(mode, plan);
    Result<void> installed = netfilter.nftables_transaction(rules);
    for (int i = 1; i < kAttempts && !installed && is_passing(installed.error().code); ++i) {
        installed = netfilter.nftables_transaction(rules);
    }
    return installed;
}

}  // namespace

std::string_view name_of(QueueMode mode) {
    constexpr std::array<std::string_view, 3> kNames = {"xt-nfqueue", "nft-queue", "accept-first"};
    return kNames.at(static_cast<std::size_t>(mode));
}

std::optional<QueueMode> queue_mode_of(std::string_view name) {
    const auto* const found = std::find_if(kAllModes.begin(), kAllModes.end(),
                                           [&](QueueMode mode) { return name_of(mode) == name; });
    return found == kAllModes.end() ? std::nullopt : std::optional(*found);
}

Result<QueueMode> install_rules(sys::NetlinkSocket& netfilter, const Plan& plan) {
    Result<void> installed;
    for (const QueueMode mode : kAllModes) {
        if (mode < plan.best_mode) {
            continue;
        }
        installed = install(netfilter, mode, plan);
        if (installed) {
            return mode;
        }
        if (is_passing(installed.error().code)) {
            break;
        }
    }
    return fail(std::move(installed).error().with_context("install the gateway's rules"));
}

}  // namespace rk::gateway
