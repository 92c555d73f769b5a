// SPDX-License-Identifier: Apache-2.0
#include "gateway/links.h"

#include "gateway/kernel_names.h"
#include "sys/file.h"
#include "sys/route_requests.h"

#include <cerrno>
#include <string>

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

namespace rk::gateway {

namespace {

constexpr std::string_view kSysctls = "/proc/sys/net/";
constexpr std::string_view kCongestion = "/proc/sys/net/ipv4/tcp_congestion_control";

// What every kernel has and everybody may choose.
constexpr std::string_view kUnpaced = "reno";
constexpr std::size_t kMaxCongestionName = 64;  // bytes; TCP_CA_NAME_MAX is 16

struct Sysctl {
    std::string_view name;
    std::string_view value;
};

// Where /proc/sys is read-only (containers), what matters has to be the kernel's default: it is,
// but for rp_filter on hosts that let new namespaces inherit theirs.
constexpr Sysctl kIpv4Sysctls[] = {
    // The namespace may use any source address; there is one way to it and no other.
    {"ipv4/conf/all/rp_filter", "0"},
    {"ipv4/conf/gw0/rp_filter", "0"},
    // Packets from what is local here are forged, whatever the host's own namespace takes.
    {"ipv4/conf/all/accept_local", "0"},
    {"ipv4/conf/gw0/accept_local", "0"},
    // Every address is local here, but only our own are to be answered for.
    {"ipv4/conf/gw0/arp_ignore", "1"},
    // Sockets speak from remote addresses and ports, 53 and 443 among them.
    {"ipv4/ip_unprivileged_port_start", "0"},
    // SYNs are admitted one by one; a cookie's answer would find no listener on its port.
    {"ipv4/tcp_syncookies", "0"},
    {"ipv4/tcp_max_syn_backlog", "16384"},
    {"core/somaxconn", "16384"},
    // The way to the namespace loses nothing and has no length: there is nothing to pace and
    // nothing
    // to buffer much for.
    {"ipv4/tcp_congestion_control", kUnpaced},
    {"ipv4/tcp_rmem", "4096 131072 2097152"},
    // Nothing is lost on a veth pair: who does not complete the handshake in a second never will,
    // and a flood of such must not keep the listener's queue for a minute. Kernels that refuse 0
    // keep 1.
    {"ipv4/tcp_synack_retries", "1"},
    {"ipv4/tcp_synack_retries", "0"},
    // Each error answers one packet that was let through; one that the kernel saves makes
    // connect(2)
    // wait for TCP's retransmission.
    {"ipv4/icmp_ratemask", "0"},
};
constexpr Sysctl kIpv6Sysctls[] = {
    {"ipv6/conf/gw0/accept_ra", "0"},
    {"ipv6/conf/gw0/accept_dad", "0"},
    {"ipv6/icmp/ratelimit", "0"},
    {"ipv6/icmp/ratemask", "0"},
};

void set(const Sysctl& sysctl) {
    static_cast<void>(sys::write_existing(std::string(kSysctls).append(sysctl.name), sysctl.value));
}

Result<unsigned> index_of(const std::string& device) {
    const unsigned index = ::if_nametoindex(device.c_str());
    if (index == 0) {
        return fail(errno_error(errno, fmt::format("find interface {}", device)));
    }
    return index;
}

Result<void> route_everything_here(sys::NetlinkSocket& routing, std::uint8_t family) {
    TRY_CTX(routing.create(sys::add_local_default(family, kRoutingTable)), "add the local route");
    TRY_CTX(routing.create(sys::add_rule({.family = family,
                                          .priority = kRulePriority,
                                          .table = kRoutingTable,
                                          .mark = 0,
                                          .interface = std::string(kDevice)})),
            "add the routing rule");
    return {};
}

// IPv4 answers an echo request only from an address that the table `local` has, whatever other
// tables say (ip_route_output_key_hash_rcu, __ip_dev_find). So every address has to be there, too,
// and the table must no longer come first: it would keep here what is sent to the namespace.
Result<void> answer_from_every_address(sys::NetlinkSocket& routing) {
    const auto rule = [](std::uint32_t priority, std::uint32_t table) {
        return sys::RoutingRule{
            .family = AF_INET, .priority = priority, .table = table, .mark = 0, .interface = {}};
    };
    TRY_CTX(routing.create(sys::add_rule(rule(kMainPriority, RT_TABLE_MAIN))),
            "add a routing rule");
    TRY_CTX(routing.create(sys::add_rule(rule(kLocalPriority, RT_TABLE_LOCAL))),
            "add a routing rule");
    TRY_CTX(routing.request(sys::remove_rule(rule(0, RT_TABLE_LOCAL))), "remove a routing rule");
    TRY_CTX(routing.create(sys::add_local_default(AF_INET, RT_TABLE_LOCAL)), "add the local route");
    return {};
}

Result<void> add_address(sys::NetlinkSocket& routing, unsigned index,
                         const model::IpAddress& address, std::uint8_t prefix) {
    TRY_CTX(routing.create(sys::add_address(index, address, prefix)), "add address {}/{}",
            address.text(), prefix);
    return {};
}

Result<void> set_up_family(sys::NetlinkSocket& routing, unsigned index, const FamilyPlan& family) {
    TRY(add_address(routing, index, family.gateway, family.prefix));
    if (family.dns != family.gateway) {
        TRY(add_address(routing, index, family.dns, family.prefix));
    }
    return route_everything_here(routing, family.gateway.is_v4() ? AF_INET : AF_INET6);
}

// A namespace begins with the congestion control of the host, which is for the world. BBR paces
// what it sends and looks for the end of a way that has none: on the few steps to the gateway it
// costs half of the throughput (measured). The others are all the same there.
bool begins_paced() {
    const auto chosen = sys::read_file(std::string(kCongestion), kMaxCongestionName);
    return chosen && chosen->starts_with("bbr");
}

}  // namespace

Result<void> create_links(sys::NetlinkSocket& routing, sys::FdRef gateway_netns, const Plan& plan) {
    TRY_CTX(routing.request(sys::add_veth(plan.device, kDevice, gateway_netns, plan.mtu)),
            "create interface {}", plan.device);
    return {};
}

Result<void> set_up_gateway_link(sys::NetlinkSocket& routing, const Plan& plan) {
    const unsigned index = TRY(index_of(std::string(kDevice)));
    for (const Sysctl& sysctl : kIpv4Sysctls) {
        set(sysctl);
    }
    for (const Sysctl& sysctl : kIpv6Sysctls) {
        set(sysctl);
    }
    TRY_CTX(routing.request(sys::set_link_up(sys::kLoopbackIndex)), "bring up lo");
    TRY_CTX(routing.request(sys::set_link_up(index)), "bring up {}", kDevice);
    TRY(set_up_family(routing, index, plan.v4));
    TRY(answer_from_every_address(routing));
    return plan.v6 ? set_up_family(routing, index, *plan.v6) : Result<void>{};
}

Result<void> set_up_namespace_link(sys::NetlinkSocket& routing, const Plan& plan, unsigned index) {
    const bool paced = begins_paced();
    TRY_CTX(routing.request(sys::set_link_up(index)), "bring up {}", plan.device);
    for (const FamilyPlan* family : {&plan.v4, plan.v6 ? &*plan.v6 : nullptr}) {
        if (family == nullptr) {
            continue;
        }
        TRY(add_address(routing, index, family->address, family->prefix));
        const auto& gateway = family->gateway;
        TRY_CTX(routing.create(paced ? sys::add_default_route(index, gateway, kUnpaced)
                                     : sys::add_default_route(index, gateway)),
                "add default route via {}", gateway.text());
        if (paced) {  // a matter of speed alone
            static_cast<void>(routing.request(
                sys::change_prefix_route(index, family->address, family->prefix, kUnpaced)));
        }
    }
    return {};
}

}  // namespace rk::gateway
