// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/route_requests.h"

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

namespace rk::test {

inline constexpr std::string_view kChildV4 = "10.0.2.100";
inline constexpr std::string_view kGatewayV4 = "10.0.2.2";
inline constexpr std::string_view kChildV6 = "fd00::100";
inline constexpr std::string_view kGatewayV6 = "fd00::2";

inline model::IpAddress address(std::string_view text) {
    return model::IpAddress::parse(text).value_or(model::IpAddress());
}

/// Runs `work` in a thread of its own that has entered the namespace.
inline void in_namespace(const sys::Fd& network, const std::function<void()>& work) {
    std::thread thread([&] {
        if (::setns(network.number(), CLONE_NEWNET) == 0) {
            work();
        }
    });
    thread.join();
}

/// Three network namespaces: this process' one is the host's, a child's and its gateway's are
/// joined as those of the builtin network. Call build() as root of the user namespace that owns
/// them all.
struct GatewayStage {
    sys::Fd child;
    sys::Fd gateway;

    Result<void> build() {
        TRY(sys::bring_up_loopback());
        child = TRY(fresh_namespace());
        gateway = TRY(fresh_namespace());
        Result<void> done;
        in_namespace(child, [&] { done = join(); });
        TRY(std::move(done));
        in_namespace(gateway, [&] { done = set_up_gateway(); });
        TRY(std::move(done));
        in_namespace(child, [&] { done = set_up_child(); });
        return done;
    }

 private:
    static Result<sys::Fd> fresh_namespace() {
        Result<sys::Fd> made = fail("no thread");
        std::thread thread([&] {
            made = ::unshare(CLONE_NEWNET) == 0
                       ? sys::open_file("/proc/thread-self/ns/net", O_RDONLY)
                       : fail(errno_error(errno, "unshare"));
        });
        thread.join();
        return made;
    }
    Result<void> join() const {
        auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
        return routing.request(sys::add_veth("tap0", "gw0", gateway, 1500));
    }
    static Result<void> set_up_link(sys::NetlinkSocket& routing, const char* name,
                                    std::string_view v4, std::string_view v6) {
        const unsigned index = ::if_nametoindex(name);
        TRY(sys::bring_up_loopback());
        // While its link-local address is tentative an interface asks for no neighbours.
        TRY(sys::write_existing(fmt::format("/proc/sys/net/ipv6/conf/{}/accept_dad", name), "0"));
        TRY(routing.request(sys::set_link_up(index)));
        TRY(routing.request(sys::add_address(index, address(v4), 24)));
        return routing.request(sys::add_address(index, address(v6), 64));
    }
    // Whatever comes from the child is for a socket of the gateway.
    static Result<void> set_up_gateway() {
        constexpr std::uint8_t kTable = 100;
        auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
        TRY(set_up_link(routing, "gw0", kGatewayV4, kGatewayV6));
        for (const auto family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
            TRY(routing.request(sys::add_local_default(family, kTable)));
            TRY(routing.request(sys::add_rule({.family = family,
                                               .priority = kTable,
                                               .table = kTable,
                                               .mark = 0,
                                               .interface = "gw0"})));
        }
        TRY(sys::write_existing("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
        return {};
    }
    static Result<void> set_up_child() {
        auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
        TRY(set_up_link(routing, "tap0", kChildV4, kChildV6));
        const unsigned index = ::if_nametoindex("tap0");
        TRY(routing.request(sys::add_default_route(index, address(kGatewayV4))));
        return routing.request(sys::add_default_route(index, address(kGatewayV6)));
    }
};

}  // namespace rk::test
