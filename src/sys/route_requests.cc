// SPDX-License-Identifier: Apache-2.0
#include "sys/route_requests.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ipv6_route.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

namespace rk::sys {

namespace {

std::uint8_t family_of(const model::IpAddress& address) {
    return address.is_v4() ? AF_INET : AF_INET6;
}

// An address as an attribute holds it: 4 or 16 bytes, as on the wire.
std::string wire_bytes(const model::IpAddress& address) {
    const auto& bytes = address.bytes();
    const std::size_t skipped = address.is_v4() ? bytes.size() - sizeof(in_addr) : 0;
    std::string text(bytes.size() - skipped, '\0');
    std::memcpy(text.data(), bytes.data() + skipped, text.size());
    return text;
}

// The same without the host's bits.
std::string network_bytes(const model::IpAddress& address, unsigned prefix) {
    std::string bytes = wire_bytes(address);
    for (char& byte : bytes) {
        const unsigned kept = std::min(prefix, 8U);
        byte = static_cast<char>(static_cast<unsigned char>(byte) & (0xff00U >> kept));
        prefix -= kept;
    }
    return bytes;
}

NetlinkMessage address_request(std::uint16_t type, std::uint16_t flags, std::uint32_t index,
                               const model::IpAddress& address, std::uint8_t prefix) {
    ifaddrmsg body{};
    body.ifa_family = family_of(address);
    body.ifa_prefixlen = prefix;
    body.ifa_flags = IFA_F_NODAD;
    body.ifa_scope = RT_SCOPE_UNIVERSE;
    body.ifa_index = index;
    NetlinkMessage message(type, flags);
    message.body(body)
        .attribute(IFA_LOCAL, wire_bytes(address))
        .attribute(IFA_ADDRESS, wire_bytes(address));
    return message;
}

void put_congestion(NetlinkMessage& message, std::string_view congestion) {
    message.nested(RTA_METRICS,
                   [&](NetlinkMessage& metrics) { metrics.text(RTAX_CC_ALGO, congestion); });
}

NetlinkMessage default_route_request(std::uint16_t type, std::uint16_t flags, std::uint32_t index,
                                     const model::IpAddress& gateway) {
    rtmsg body{};
    body.rtm_family = family_of(gateway);
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_BOOT;
    body.rtm_scope = RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    NetlinkMessage message(type, flags);
    message.body(body).attribute(RTA_GATEWAY, wire_bytes(gateway)).u32(RTA_OIF, index);
    return message;
}

}  // namespace

NetlinkMessage add_veth(std::string_view name, std::string_view peer, FdRef peer_netns,
                        std::uint32_t mtu) {
    const ifinfomsg body{};
    NetlinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body).text(IFLA_IFNAME, name).u32(IFLA_MTU, mtu);
    message.nested(IFLA_LINKINFO, [&](NetlinkMessage& info) {
        info.text(IFLA_INFO_KIND, "veth");
        info.nested(IFLA_INFO_DATA, [&](NetlinkMessage& data) {
            data.nested(VETH_INFO_PEER, [&](NetlinkMessage& other) {
                other.body(body).text(IFLA_IFNAME, peer).u32(IFLA_MTU, mtu);
                other.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns.number()));
            });
        });
    });
    return message;
}

NetlinkMessage set_link_up(std::uint32_t index) {
    ifinfomsg body{};
    body.ifi_family = AF_UNSPEC;
    body.ifi_index = static_cast<int>(index);
    body.ifi_flags = IFF_UP;
    body.ifi_change = IFF_UP;
    NetlinkMessage message(RTM_NEWLINK, 0);
    message.body(body);
    return message;
}

NetlinkMessage set_link_up(std::uint32_t index, std::uint32_t mtu) {
    NetlinkMessage message = set_link_up(index);
    message.u32(IFLA_MTU, mtu);
    return message;
}

NetlinkMessage add_address(std::uint32_t index, const model::IpAddress& address,
                           std::uint8_t prefix) {
    return address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, prefix);
}

NetlinkMessage remove_address(std::uint32_t index, const model::IpAddress& address,
                              std::uint8_t prefix) {
    return address_request(RTM_DELADDR, 0, index, address, prefix);
}

NetlinkMessage add_default_route(std::uint32_t index, const model::IpAddress& gateway) {
    return default_route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index, gateway);
}

NetlinkMessage add_default_route(std::uint32_t index, const model::IpAddress& gateway,
                                 std::string_view congestion) {
    NetlinkMessage message = add_default_route(index, gateway);
    put_congestion(message, congestion);
    return message;
}

// The kernel's own route is found again by its priority (IPv6) and source (IPv4).
NetlinkMessage change_prefix_route(std::uint32_t index, const model::IpAddress& address,
                                   std::uint8_t prefix, std::string_view congestion) {
    rtmsg body{};
    body.rtm_family = family_of(address);
    body.rtm_dst_len = prefix;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_KERNEL;
    body.rtm_scope = address.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_REPLACE);
    message.body(body).attribute(RTA_DST, network_bytes(address, prefix)).u32(RTA_OIF, index);
    if (address.is_v4()) {
        message.attribute(RTA_PREFSRC, wire_bytes(address));
    } else {
        message.u32(RTA_PRIORITY, IP6_RT_PRIO_ADDRCONF);
    }
    put_congestion(message, congestion);
    return message;
}

NetlinkMessage remove_default_route(std::uint32_t index, const model::IpAddress& gateway) {
    return default_route_request(RTM_DELROUTE, 0, index, gateway);
}

NetlinkMessage add_local_default(std::uint8_t family, std::uint32_t table) {
    rtmsg body{};
    body.rtm_family = family;
    body.rtm_table = static_cast<std::uint8_t>(table);
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_HOST;
    body.rtm_type = RTN_LOCAL;
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    message.body(body).u32(RTA_TABLE, table).u32(RTA_OIF, kLoopbackIndex);
    return message;
}

namespace {

NetlinkMessage rule_request(std::uint16_t type, std::uint16_t flags, const RoutingRule& rule) {
    fib_rule_hdr body{};
    body.family = rule.family;
    body.table = static_cast<std::uint8_t>(rule.table);
    body.action = FR_ACT_TO_TBL;
    NetlinkMessage message(type, flags);
    message.body(body).u32(FRA_PRIORITY, rule.priority).u32(FRA_TABLE, rule.table);
    return message;
}

}  // namespace

NetlinkMessage remove_rule(const RoutingRule& rule) {
    return rule_request(RTM_DELRULE, 0, rule);
}

NetlinkMessage add_rule(const RoutingRule& rule) {
    NetlinkMessage message = rule_request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
    if (rule.mark != 0) {
        message.u32(FRA_FWMARK, rule.mark);
    }
    if (!rule.interface.empty()) {
        message.text(FRA_IIFNAME, rule.interface);
    }
    return message;
}

}  // namespace rk::sys
