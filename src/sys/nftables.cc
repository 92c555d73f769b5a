// SPDX-License-Identifier: Apache-2.0
#include "sys/nftables.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netlink.h>

namespace rk::sys {

namespace {

NetlinkMessage request(std::uint16_t kind, std::uint16_t flags) {
    nfgenmsg body{};
    body.nfgen_family = NFPROTO_INET;
    body.version = NFNETLINK_V0;
    NetlinkMessage message(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | kind), flags);
    message.body(body);
    return message;
}

void constant(NetlinkMessage& in, std::uint16_t type, std::string_view bytes) {
    in.nested(type, [&](NetlinkMessage& data) { data.attribute(NFTA_DATA_VALUE, bytes); });
}

}  // namespace

NetlinkMessage nft_new_table(std::string_view table) {
    NetlinkMessage message = request(NFT_MSG_NEWTABLE, NLM_F_CREATE);
    message.text(NFTA_TABLE_NAME, table);
    return message;
}

NetlinkMessage nft_delete_table(std::string_view table) {
    NetlinkMessage message = request(NFT_MSG_DELTABLE, 0);
    message.text(NFTA_TABLE_NAME, table);
    return message;
}

NetlinkMessage nft_new_chain(std::string_view table, std::string_view chain, const NftHook& hook) {
    NetlinkMessage message = request(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    message.text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, chain);
    message.nested(NFTA_CHAIN_HOOK, [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_HOOK_HOOKNUM, hook.hook);
        in.big_endian_u32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(hook.priority));
    });
    message.text(NFTA_CHAIN_TYPE, "filter");
    return message;
}

NftRule::NftRule(std::string_view table, std::string_view chain)
    : table_(table), chain_(chain), expressions_(0, 0) {}

NetlinkMessage NftRule::message() const {
    NetlinkMessage message = request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    message.text(NFTA_RULE_TABLE, table_).text(NFTA_RULE_CHAIN, chain_);
    message.nested(NFTA_RULE_EXPRESSIONS,
                   [this](NetlinkMessage& in) { in.contents_of(expressions_); });
    return message;
}

NftRule& NftRule::add(std::string_view name,
                      const std::function<void(NetlinkMessage&)>& parameters) {
    expressions_.nested(NFTA_LIST_ELEM, [&](NetlinkMessage& in) {
        in.text(NFTA_EXPR_NAME, name);
        in.nested(NFTA_EXPR_DATA, parameters);
    });
    return *this;
}

NftRule& NftRule::load_meta(std::uint32_t key) {
    return add("meta", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_META_KEY, key).big_endian_u32(NFTA_META_DREG, NFT_REG_1);
    });
}

NftRule& NftRule::store_meta(std::uint32_t key) {
    return add("meta", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_META_KEY, key).big_endian_u32(NFTA_META_SREG, NFT_REG_1);
    });
}

NftRule& NftRule::load_ct(std::uint32_t key) {
    return add("ct", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CT_KEY, key).big_endian_u32(NFTA_CT_DREG, NFT_REG_1);
    });
}

NftRule& NftRule::store_ct(std::uint32_t key) {
    return add("ct", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CT_KEY, key).big_endian_u32(NFTA_CT_SREG, NFT_REG_1);
    });
}

NftRule& NftRule::load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length) {
    return add("payload", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_PAYLOAD_DREG, NFT_REG_1).big_endian_u32(NFTA_PAYLOAD_BASE, base);
        in.big_endian_u32(NFTA_PAYLOAD_OFFSET, offset).big_endian_u32(NFTA_PAYLOAD_LEN, length);
    });
}

NftRule& NftRule::mask(std::string_view bytes) {
    return add("bitwise", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_BITWISE_SREG, NFT_REG_1);
        in.big_endian_u32(NFTA_BITWISE_DREG, NFT_REG_1);
        in.big_endian_u32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(bytes.size()));
        constant(in, NFTA_BITWISE_MASK, bytes);
        constant(in, NFTA_BITWISE_XOR, std::string(bytes.size(), '\0'));
    });
}

NftRule& NftRule::compare(std::uint32_t operation, std::string_view bytes) {
    return add("cmp", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_CMP_SREG, NFT_REG_1).big_endian_u32(NFTA_CMP_OP, operation);
        constant(in, NFTA_CMP_DATA, bytes);
    });
}

NftRule& NftRule::equals(std::string_view bytes) {
    return compare(NFT_CMP_EQ, bytes);
}

NftRule& NftRule::differs(std::string_view bytes) {
    return compare(NFT_CMP_NEQ, bytes);
}

NftRule& NftRule::set(std::string_view bytes) {
    return add("immediate", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_IMMEDIATE_DREG, NFT_REG_1);
        constant(in, NFTA_IMMEDIATE_DATA, bytes);
    });
}

NftRule& NftRule::tproxy(std::uint16_t port) {
    const std::uint16_t on_the_wire = htons(port);
    std::array<char, sizeof on_the_wire> bytes{};
    std::memcpy(bytes.data(), &on_the_wire, sizeof on_the_wire);
    set({bytes.data(), bytes.size()});
    return add("tproxy", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_TPROXY_FAMILY, NFPROTO_UNSPEC);
        in.big_endian_u32(NFTA_TPROXY_REG_PORT, NFT_REG_1);
    });
}

NftRule& NftRule::reject_with_reset() {
    return add("reject", [](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST).u8(NFTA_REJECT_ICMP_CODE, 0);
    });
}

NftRule& NftRule::reject_with_icmp(std::uint8_t code) {
    return add("reject", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
        in.u8(NFTA_REJECT_ICMP_CODE, code);
    });
}

NftRule& NftRule::verdict(std::int32_t code) {
    return add("immediate", [&](NetlinkMessage& in) {
        in.big_endian_u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        in.nested(NFTA_IMMEDIATE_DATA, [&](NetlinkMessage& data) {
            data.nested(NFTA_DATA_VERDICT, [&](NetlinkMessage& value) {
                value.big_endian_u32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
            });
        });
    });
}

NftRule& NftRule::queue(std::uint16_t first, std::uint16_t count) {
    return add("queue", [&](NetlinkMessage& in) {
        in.big_endian_u16(NFTA_QUEUE_NUM, first).big_endian_u16(NFTA_QUEUE_TOTAL, count);
    });
}

NftRule& NftRule::queue_by_xtables(std::uint16_t first, std::uint16_t count) {
    constexpr std::uint32_t kRevision = 1;
    const xt_NFQ_info_v1 parameters{.queuenum = first, .queues_total = count};
    // xtables wants its parameters padded to 8 bytes (XT_ALIGN).
    std::array<char, 8> padded{};
    std::memcpy(padded.data(), &parameters, sizeof parameters);
    return add("target", [&](NetlinkMessage& in) {
        in.text(NFTA_TARGET_NAME, "NFQUEUE").big_endian_u32(NFTA_TARGET_REV, kRevision);
        in.attribute(NFTA_TARGET_INFO, {padded.data(), padded.size()});
    });
}

std::string host_bytes(std::uint32_t value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

}  // namespace rk::sys
