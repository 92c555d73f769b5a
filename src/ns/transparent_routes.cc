// SPDX-License-Identifier: Apache-2.0
#include "ns/transparent_routes.h"

#include "sys/file.h"
#include "sys/netlink_request.h"

#include <array>
#include <functional>
#include <string_view>

#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

using sys::NetlinkMessage;

// The loopback device is registered first in every network namespace (net/core/dev.c).
constexpr std::uint32_t kLoopbackIndex = 1;

constexpr std::string_view kNftTable = "rootlesskit_source_ip";
// After conntrack (-200), before destination NAT (-100): "mangle" of nft(8).
constexpr std::int32_t kManglePriority = -150;

// ip rule add fwmark MARK lookup TABLE priority PRIORITY
NetlinkMessage rule_request(std::uint8_t family, std::uint32_t mark) {
    fib_rule_hdr body{};
    body.family = family;
    body.table = static_cast<std::uint8_t>(kTransparentTable);
    body.action = FR_ACT_TO_TBL;
    NetlinkMessage message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body)
        .u32(FRA_PRIORITY, kTransparentPriority)
        .u32(FRA_FWMARK, mark)
        .u32(FRA_TABLE, kTransparentTable);
    return message;
}

// ip route add local default dev lo table TABLE
NetlinkMessage route_request(std::uint8_t family) {
    rtmsg body{};
    body.rtm_family = family;
    body.rtm_table = static_cast<std::uint8_t>(kTransparentTable);
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_HOST;
    body.rtm_type = RTN_LOCAL;
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body).u32(RTA_TABLE, kTransparentTable).u32(RTA_OIF, kLoopbackIndex);
    return message;
}

NetlinkMessage nft_request(std::uint16_t kind, std::uint16_t flags) {
    nfgenmsg body{};
    body.nfgen_family = NFPROTO_INET;
    body.version = NFNETLINK_V0;
    NetlinkMessage message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | kind), flags);
    message.body(body);
    return message;
}

NetlinkMessage table_request(std::uint16_t kind, std::uint16_t flags) {
    NetlinkMessage message = nft_request(kind, flags);
    message.text(NFTA_TABLE_NAME, kNftTable);
    return message;
}

NetlinkMessage chain_request(std::string_view name, std::uint32_t hook) {
    NetlinkMessage message = nft_request(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    message.text(NFTA_CHAIN_TABLE, kNftTable).text(NFTA_CHAIN_NAME, name);
    message.nested(NFTA_CHAIN_HOOK, [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_HOOK_HOOKNUM, hook);
        in.big_endian_u32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kManglePriority));
    });
    message.text(NFTA_CHAIN_TYPE, "filter");
    return message;
}

// One expression in a rule: its name and its parameters.
void expression(NetlinkMessage& rule, std::string_view name,
                const std::function<void(NetlinkMessage&)>& parameters) {
    rule.nested(NFTA_LIST_ELEM, [&](NetlinkMessage& in) {
        in.text(NFTA_EXPR_NAME, name);
        in.nested(NFTA_EXPR_DATA, parameters);
    });
}

// What a mark is compared with or set to: in host byte order, it is the kernel's own number.
void constant(NetlinkMessage& in, std::uint16_t type, std::uint32_t value) {
    in.nested(type, [&](NetlinkMessage& data) { data.u32(NFTA_DATA_VALUE, value); });
}

void compare_equal(NetlinkMessage& rule, std::uint32_t value) {
    expression(rule, "cmp", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CMP_SREG, NFT_REG_1).big_endian_u32(NFTA_CMP_OP, NFT_CMP_EQ);
        constant(in, NFTA_CMP_DATA, value);
    });
}

// meta mark RELAY ct mark set REPLY
void relay_to_connection(NetlinkMessage& rule) {
    expression(rule, "meta", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_META_KEY, NFT_META_MARK).big_endian_u32(NFTA_META_DREG, NFT_REG_1);
    });
    compare_equal(rule, kRelayMark);
    expression(rule, "immediate", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_IMMEDIATE_DREG, NFT_REG_1);
        constant(in, NFTA_IMMEDIATE_DATA, kReplyMark);
    });
    expression(rule, "ct", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CT_KEY, NFT_CT_MARK).big_endian_u32(NFTA_CT_SREG, NFT_REG_1);
    });
}

// ct mark REPLY meta mark set REPLY: the register still holds what was compared
void connection_to_packet(NetlinkMessage& rule) {
    expression(rule, "ct", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CT_KEY, NFT_CT_MARK).big_endian_u32(NFTA_CT_DREG, NFT_REG_1);
    });
    compare_equal(rule, kReplyMark);
    expression(rule, "meta", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_META_KEY, NFT_META_MARK).big_endian_u32(NFTA_META_SREG, NFT_REG_1);
    });
}

NetlinkMessage nft_rule(std::string_view chain,
                        const std::function<void(NetlinkMessage&)>& expressions) {
    NetlinkMessage message = nft_request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    message.text(NFTA_RULE_TABLE, kNftTable).text(NFTA_RULE_CHAIN, chain);
    message.nested(NFTA_RULE_EXPRESSIONS, expressions);
    return message;
}

// Made, removed and made again in one transaction, so that nothing of an earlier run stays.
Result<void> set_up_nft() {
    auto netfilter = TRY(sys::NetlinkSocket::open(NETLINK_NETFILTER));
    const std::array requests = {
        table_request(NFT_MSG_NEWTABLE, NLM_F_CREATE),
        table_request(NFT_MSG_DELTABLE, 0),
        table_request(NFT_MSG_NEWTABLE, NLM_F_CREATE),
        chain_request("output", NF_INET_LOCAL_OUT),
        chain_request("prerouting", NF_INET_PRE_ROUTING),
        nft_rule("output", relay_to_connection),
        nft_rule("prerouting", connection_to_packet),
    };
    return netfilter.nftables_transaction(requests);
}

Result<void> set_up_family(std::uint8_t family, std::uint32_t mark) {
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY_CTX(routing.create(route_request(family)), "add the route for replies");
    TRY_CTX(routing.create(rule_request(family, mark)), "add the rule for replies");
    return {};
}

Result<void> set_sysctls() {
    TRY(sys::write_existing("/proc/sys/net/ipv4/tcp_fwmark_accept", "1"));
    TRY(sys::write_existing("/proc/sys/net/ipv4/fwmark_reflect", "1"));
    return {};
}

}  // namespace

Result<TransparentRoutes> set_up_transparent_routes(ReplyRouting best) {
    TransparentRoutes done;
    TRY(set_sysctls());
    const bool nft = best == ReplyRouting::kNft && set_up_nft().has_value();
    done.routing = nft ? ReplyRouting::kNft : ReplyRouting::kMarkOnly;
    const std::uint32_t mark = nft ? kReplyMark : kRelayMark;
    TRY(set_up_family(AF_INET, mark));
    done.ipv6 = sys::write_existing("/proc/sys/net/ipv6/fwmark_reflect", "1").has_value() &&
                set_up_family(AF_INET6, mark).has_value();
    return done;
}

}  // namespace rk::ns
