// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// nf_tables is programmed by netlink messages: a table holds chains, a base chain hangs at a hook
// of the packet's way, a rule is a list of expressions that work on registers (nft(8) shows them
// with --debug=netlink). Here are the few messages and expressions this program needs, each named
// after what nft(8) prints for it. Sources: linux/netfilter/nf_tables.h, net/netfilter/nft_*.c.
//
// Numbers of attributes are big-endian. Values that are compared or loaded are given as the bytes
// the kernel holds in the register: packet bytes as on the wire, meta values in host order.
#pragma once

#include "sys/netlink_request.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace rk::sys {

/// Where a base chain hangs: NF_INET_PRE_ROUTING and so on, and its place among others there.
struct NftHook {
    std::uint32_t hook = 0;
    std::int32_t priority = 0;
};

/// Tables of the family `inet`: both IPv4 and IPv6.
[[nodiscard]] NetlinkMessage nft_new_table(std::string_view table);
[[nodiscard]] NetlinkMessage nft_delete_table(std::string_view table);
/// A base chain of the type `filter`.
[[nodiscard]] NetlinkMessage nft_new_chain(std::string_view table, std::string_view chain,
                                           const NftHook& hook);

/// One rule, built from left to right. All expressions use the first register, which holds 16
/// bytes.
class NftRule {
 public:
    NftRule(std::string_view table, std::string_view chain);

    /// meta KEY: NFT_META_MARK, NFT_META_L4PROTO, NFT_META_NFPROTO, ...
    NftRule& load_meta(std::uint32_t key);
    NftRule& store_meta(std::uint32_t key);
    /// ct KEY: NFT_CT_MARK
    NftRule& load_ct(std::uint32_t key);
    NftRule& store_ct(std::uint32_t key);
    /// payload load LENGTHb @ BASE + OFFSET; base: NFT_PAYLOAD_NETWORK_HEADER, ...
    NftRule& load_payload(std::uint32_t base, std::uint32_t offset, std::uint32_t length);
    /// bitwise reg = reg & MASK
    NftRule& mask(std::string_view bytes);
    /// The rule goes on only where the register equals (or not) these bytes.
    NftRule& equals(std::string_view bytes);
    NftRule& differs(std::string_view bytes);
    /// immediate reg BYTES
    NftRule& set(std::string_view bytes);

    /// Hands the packet to a socket of this netns that listens on `port`, IPv4 and IPv6.
    NftRule& tproxy(std::uint16_t port);
    /// Ends with TCP's reset.
    NftRule& reject_with_reset();
    /// Ends with an ICMP error of either family: NFT_REJECT_ICMPX_NO_ROUTE, ...
    NftRule& reject_with_icmp(std::uint8_t code);
    /// Ends with NF_ACCEPT or NF_DROP.
    NftRule& verdict(std::int32_t code);
    /// Ends in a queue number `first`..`first + count - 1`, chosen by the flow: nf_tables' own
    /// expression.
    NftRule& queue(std::uint16_t first, std::uint16_t count);
    /// The same by xtables' NFQUEUE target, which kernels without that expression may have.
    NftRule& queue_by_xtables(std::uint16_t first, std::uint16_t count);

    [[nodiscard]] NetlinkMessage message() const;

 private:
    NftRule& add(std::string_view name, const std::function<void(NetlinkMessage&)>& parameters);
    NftRule& compare(std::uint32_t operation, std::string_view bytes);

    std::string table_;
    std::string chain_;
    NetlinkMessage expressions_;
};

/// The bytes of a number as the kernel holds it in a register.
[[nodiscard]] std::string host_bytes(std::uint32_t value);

}  // namespace rk::sys
