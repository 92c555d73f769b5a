// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/listen.h"

#include "drivers/port/child_address.h"
#include "drivers/port/inherited.h"
#include "sys/netlink.h"
#include "sys/sockaddr.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "namespace_child.h"

namespace rk::drivers {
namespace {

using model::IpAddress;
using model::PortSpec;

PortSpec spec(std::string_view text) {
    return *PortSpec::parse(text);
}

std::string planned(std::string_view proto, std::string_view ip, bool ipv6 = true) {
    const auto plan = plan_listen(proto, ip, ipv6);
    if (!plan) {
        return plan.error().message;
    }
    const char* const families[] = {"v4", "v6", "dual"};
    return fmt::format("{} {} {}", plan->kind == SocketKind::kTcp ? "tcp" : "udp",
                       families[static_cast<int>(plan->family)], plan->address.text());
}

TEST(PlanListen, FollowsGo) {
    for (const char* ip : {"", "0.0.0.0", "::"}) {
        EXPECT_EQ(planned("tcp", ip), "tcp dual ::");
        EXPECT_EQ(planned("udp", ip), "udp dual ::");
        EXPECT_EQ(planned("tcp", ip, false), "tcp v4 0.0.0.0");
    }
    EXPECT_EQ(planned("tcp", "127.0.0.2"), "tcp v4 127.0.0.2");
    EXPECT_EQ(planned("tcp", "::ffff:127.0.0.2"), "tcp v4 127.0.0.2");
    EXPECT_EQ(planned("udp", "::1"), "udp dual ::1");
    EXPECT_EQ(planned("tcp4", ""), "tcp v4 0.0.0.0");
    EXPECT_EQ(planned("udp4", "0.0.0.0"), "udp v4 0.0.0.0");
    EXPECT_EQ(planned("udp4", "127.0.0.1"), "udp v4 127.0.0.1");
    EXPECT_EQ(planned("tcp6", ""), "tcp v6 ::");
    EXPECT_EQ(planned("tcp6", "::"), "tcp v6 ::");
    EXPECT_EQ(planned("udp6", "::1"), "udp v6 ::1");
    EXPECT_EQ(planned("tcp6", "127.0.0.1"),
              "listen tcp6: address 127.0.0.1: no suitable address found");
    EXPECT_EQ(planned("tcp6", "0.0.0.0"),
              "listen tcp6: address 0.0.0.0: no suitable address found");
    EXPECT_EQ(planned("udp4", "::1"), "listen udp4: address ::1: no suitable address found");
    EXPECT_EQ(planned("sctp4", ""), "unsupported port protocol sctp4");
}

// In a namespace of its own, so that ports are free and privileged ones are ours.
TEST(ListenOn, FamiliesLiveSideBySide) {
    test::run_in_namespace(CLONE_NEWNET, [](test::Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        const auto tries = [&](std::string_view text) {
            const PortSpec one = spec(text);
            auto listener = listen_on(one, one.parent_port());
            return listener ? std::string("listens") : listener.error().message;
        };
        const auto four = listen_on(spec(":80:80/tcp4"), 80);
        const auto six = listen_on(spec(":80:80/tcp6"), 80);
        report.expect(four && six, "tcp4 and tcp6 on one port");
        report.equal(tries(":80:80/tcp"), "listen tcp :80: bind: address already in use", "dual");
        report.equal(tries("0.0.0.0:80:80/tcp"),
                     "listen tcp 0.0.0.0:80: bind: address already in use", "0.0.0.0");
        report.equal(tries("[::]:80:80/tcp6"), "listen tcp6 [::]:80: bind: address already in use",
                     "tcp6");
        report.equal(tries("127.0.0.1:80:80/udp"), "listens", "UDP");
        report.equal(tries("[::1]:81:80/tcp"), "listens", "::1");
        report.equal(tries("192.0.2.7:81:80/tcp"),
                     "listen tcp 192.0.2.7:81: bind: cannot assign requested address", "foreign");
    });
}

int option(const Listener& listener, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    ::getsockopt(listener.socket.number(), level, name, &value, &length);
    return value;
}

TEST(ListenOn, SocketsAreFitForTheRelay) {
    const auto tcp = listen_on(spec("127.0.0.1:0:80/tcp"), 0);
    ASSERT_TRUE(tcp) << tcp.error().message;
    EXPECT_NE(tcp->port, 0);
    EXPECT_EQ(sys::local_endpoint(tcp->socket)->port, tcp->port);
    EXPECT_EQ(option(*tcp, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(option(*tcp, SOL_SOCKET, SO_REUSEADDR), 1);
    EXPECT_NE(::fcntl(tcp->socket.number(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(tcp->socket.number(), F_GETFD), FD_CLOEXEC);
    const auto udp = listen_on(spec("127.0.0.1:0:80/udp"), 0);
    ASSERT_TRUE(udp);
    EXPECT_EQ(option(*udp, SOL_IP, IP_PKTINFO), 1);
    if (host_has_ipv6()) {
        const auto dual = listen_on(spec(":0:80/udp"), 0);
        ASSERT_TRUE(dual);
        EXPECT_EQ(option(*dual, SOL_IPV6, IPV6_RECVPKTINFO), 1);
        EXPECT_EQ(option(*dual, SOL_IPV6, IPV6_V6ONLY), 0);
        EXPECT_EQ(option(*listen_on(spec(":0:80/udp6"), 0), SOL_IPV6, IPV6_V6ONLY), 1);
    }
}

TEST(PrivilegedPort, Sentence) {
    EXPECT_EQ(privileged_port_text({80, 1024, true}),
              "cannot expose privileged port 80, you can add "
              "'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or "
              "set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a larger port number (>= "
              "1024)");
    EXPECT_EQ(privileged_port_text({80, 81, false}),
              "cannot expose privileged port 80, you can add "
              "'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 81), or "
              "choose a larger port number (>= 81)");
    const Error in_use{"listen tcp :80: bind: address already in use", EADDRINUSE};
    EXPECT_EQ(explain_privileged_port(in_use, 80, "rootlesskit").message, in_use.message);
    const Error denied{"listen tcp :80: bind: permission denied", EACCES};
    EXPECT_EQ(explain_privileged_port(denied, 65535, "x").message, denied.message);
}

TEST(ChildAddress, IsTheLoopbackOfTheFamily) {
    const struct {
        const char* parent;
        const char* child;
        const char* dialled;
    } cases[] = {
        {"", "", "127.0.0.1"},
        {"0.0.0.0", "", "127.0.0.1"},
        {"192.0.2.1", "", "127.0.0.1"},
        {"::ffff:192.0.2.1", "", "127.0.0.1"},
        {"127.0.0.2", "", "127.0.0.2"},
        {"::ffff:127.0.0.2", "", "127.0.0.2"},
        {"::", "", "::1"},
        {"::1", "", "::1"},
        {"2001:db8::1", "", "::1"},
        {"", "10.0.2.100", "10.0.2.100"},
        {"::1", "10.0.2.100", "10.0.2.100"},
        {"127.0.0.1", "fd00::100", "fd00::100"},
        {"127.0.0.1", "::ffff:10.0.2.100", "10.0.2.100"},
    };
    for (const auto& one : cases) {
        const PortTarget target = port_target(one.parent, one.child, std::nullopt);
        EXPECT_EQ(target.origin, wire::Origin::kInside);
        EXPECT_FALSE(target.fallback);
        EXPECT_EQ(target.address.text(), one.dialled) << one.parent << " " << one.child;
    }
}

TEST(ChildAddress, BehindTheGateway) {
    struct Case {
        std::string_view parent;
        std::string_view child;
        std::string_view gateway;   // called from there first, or ""
        std::string_view fallback;  // called from inside, or ""
    };
    const Case cases[] = {
        {"", "", "10.0.2.100", "127.0.0.1"},
        {"0.0.0.0", "", "10.0.2.100", "127.0.0.1"},
        {"192.0.2.1", "", "10.0.2.100", "127.0.0.1"},
        {"127.0.0.2", "", "10.0.2.100", "127.0.0.2"},
        {"::", "", "fd00::100", "::1"},
        {"::1", "", "fd00::100", "::1"},
        {"", "10.0.2.100", "10.0.2.100", ""},
        {"", "::ffff:10.0.2.100", "10.0.2.100", ""},
        {"0.0.0.0", "fd00::100", "fd00::100", ""},
        {"", "127.0.0.1", "", "127.0.0.1"},
        {"::1", "::1", "", "::1"},
        {"", "172.17.0.2", "", "172.17.0.2"},
    };
    const GatewayTargets gateway{*model::IpAddress::parse("10.0.2.100"),
                                 *model::IpAddress::parse("fd00::100")};
    for (const auto& one : cases) {
        const PortTarget target = port_target(one.parent, one.child, gateway);
        const bool from_gateway = target.origin == wire::Origin::kGateway;
        const std::string inside =
            from_gateway ? (target.fallback ? target.fallback->text() : "") : target.address.text();
        EXPECT_EQ(from_gateway ? target.address.text() : "", one.gateway)
            << one.parent << " " << one.child;
        EXPECT_EQ(inside, one.fallback) << one.parent << " " << one.child;
    }
    const GatewayTargets only_v4{gateway.child_v4, {}};
    EXPECT_EQ(port_target("::", "", only_v4).address.text(), "::1");
    EXPECT_EQ(port_target("::", "", only_v4).origin, wire::Origin::kInside);
}

std::vector<InheritedSocket> one_inherited(std::string_view text, std::string_view name) {
    auto listener = listen_on(spec(text), 0);
    InheritedSocket socket;
    socket.name = name;
    socket.kind = SocketKind::kTcp;
    socket.family = SocketFamily::kIpv4;
    socket.local = *sys::local_endpoint(listener->socket);
    socket.socket = std::move(listener->socket);
    std::vector<InheritedSocket> sockets;
    sockets.push_back(std::move(socket));
    return sockets;
}

TEST(Inherited, ByNameAndByAddress) {
    const auto sockets = one_inherited("127.0.0.1:0:80/tcp", "web");
    const std::uint16_t port = sockets[0].local.port;
    EXPECT_TRUE(find_inherited(sockets, spec("fd:web:80/tcp")));
    EXPECT_TRUE(find_inherited(sockets, spec("fd:web:80/tcp4")));
    EXPECT_EQ(find_inherited(sockets, spec("fd:web:80/udp")).error().message,
              "no inherited socket \"web\" for udp");
    EXPECT_FALSE(find_inherited(sockets, spec("fd:web:80/tcp6")));
    EXPECT_FALSE(find_inherited(sockets, spec("fd:other:80/tcp")));
    EXPECT_NE(match_inherited(sockets, spec("127.0.0.1:1:80/tcp"), port), nullptr);
    EXPECT_EQ(match_inherited(sockets, spec("127.0.0.2:1:80/tcp"), port), nullptr);
    EXPECT_EQ(match_inherited(sockets, spec("127.0.0.1:1:80/udp"), port), nullptr);
    EXPECT_EQ(match_inherited(sockets, spec(":1:80/tcp"), port), nullptr);
}

// Descriptors 3 and on belong to the forked process alone.
TEST(Inherited, AreFoundAsSystemdPassesThem) {
    test::run_in_namespace(0, [](test::Report& report) {
        const auto tcp = listen_on(spec("127.0.0.1:0:80/tcp"), 0);
        const auto udp = listen_on(spec("127.0.0.1:0:80/udp"), 0);
        // Out of the way first: the numbers may be among the targets.
        const int high_tcp = ::fcntl(tcp->socket.number(), F_DUPFD, 100);
        const int high_udp = ::fcntl(udp->socket.number(), F_DUPFD, 100);
        const int null = ::fcntl(::open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD, 100);
        report.expect(::dup2(high_tcp, 3) == 3 && ::dup2(null, 4) == 4 && ::dup2(high_udp, 5) == 5,
                      "descriptors in place");
        sys::Environment environment;
        environment.set("LISTEN_FDS", "3");
        environment.set("LISTEN_FDNAMES", "web:null:dns");
        report.expect(inherited_sockets(environment, ::getpid()).empty(), "without LISTEN_PID");
        environment.set("LISTEN_PID", fmt::format("{}", ::getpid()));
        const auto found = inherited_sockets(environment, ::getpid());
        report.expect(found.size() == 2, "two internet sockets");
        report.expect(found.size() == 2 && found[0].name == "web" && found[1].name == "dns" &&
                          found[1].kind == SocketKind::kUdp && found[0].local.port == tcp->port,
                      "named in order");
        report.expect(inherited_sockets(environment, 1).empty(), "somebody else's");
    });
}

}  // namespace
}  // namespace rk::drivers
