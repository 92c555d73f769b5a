// SPDX-License-Identifier: Apache-2.0
#include "ns/transparent_routes.h"

#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/nftables.h"
#include "sys/route_requests.h"

#include <array>
#include <string_view>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

using sys::NetlinkMessage;

constexpr std::string_view kNftTable = "rootlesskit_source_ip";
// After conntrack (-200), before destination NAT (-100): "mangle" of nft(8).
constexpr std::int32_t kManglePriority = -150;

// meta mark RELAY ct mark set REPLY
NetlinkMessage relay_to_connection() {
    return sys::NftRule(kNftTable, "output")
        .load_meta(NFT_META_MARK)
        .equals(sys::host_bytes(kRelayMark))
        .set(sys::host_bytes(kReplyMark))
        .store_ct(NFT_CT_MARK)
        .message();
}

// ct mark REPLY meta mark set REPLY: the register still holds what was compared
NetlinkMessage connection_to_packet() {
    return sys::NftRule(kNftTable, "prerouting")
        .load_ct(NFT_CT_MARK)
        .equals(sys::host_bytes(kReplyMark))
        .store_meta(NFT_META_MARK)
        .message();
}

// Made, removed and made again in one transaction, so that nothing of an earlier run stays.
Result<void> set_up_nft() {
    auto netfilter = TRY(sys::NetlinkSocket::open(NETLINK_NETFILTER));
    const std::array requests = {
        sys::nft_new_table(kNftTable),
        sys::nft_delete_table(kNftTable),
        sys::nft_new_table(kNftTable),
        sys::nft_new_chain(kNftTable, "output",
                           {.hook = NF_INET_LOCAL_OUT, .priority = kManglePriority}),
        sys::nft_new_chain(kNftTable, "prerouting",
                           {.hook = NF_INET_PRE_ROUTING, .priority = kManglePriority}),
        relay_to_connection(),
        connection_to_packet(),
    };
    return netfilter.nftables_transaction(requests);
}

Result<void> set_up_family(std::uint8_t family, std::uint32_t mark) {
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY_CTX(routing.create(sys::add_local_default(family, kTransparentTable)),
            "add the route for replies");
    TRY_CTX(routing.create(sys::add_rule({.family = family,
                                          .priority = kTransparentPriority,
                                          .table = kTransparentTable,
                                          .mark = mark,
                                          .interface = ""})),
            "add the rule for replies");
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
