// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/source_ip.h"

#include "model/endpoint.h"
#include "ns/transparent_routes.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/sockaddr.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "namespace_child.h"

namespace rk::drivers {
namespace {

using model::Endpoint;
using model::IpAddress;
using test::Report;

// rp_filter may be anything in a new network namespace: IPv4's settings are inherited.
void set_rp_filter(char value) {
    for (const char* device : {"all", "default", "lo"}) {
        const std::string path = fmt::format("/proc/sys/net/ipv4/conf/{}/rp_filter", device);
        static_cast<void>(sys::write_existing(path, std::string(1, value)));
    }
}

void expect_transparent(Report& report, std::string_view when) {
    const SourceIpSupport support = set_up_source_ip_here({});
    report.expect(support.ipv4, fmt::format("IPv4 {}: {}", when, support.backend));
    report.expect(support.ipv6, fmt::format("IPv6 {}: {}", when, support.backend));
    report.expect(support.backend == "nft" || support.backend.starts_with("marks (services on "),
                  support.backend);
}

TEST(SourceIp, WorksWhateverRpFilterIs) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        for (const char value : {'0', '1', '2'}) {
            set_rp_filter(value);
            expect_transparent(report, fmt::format("with rp_filter {}", value));
        }
    });
}

TEST(SourceIp, WorksWithoutNfTablesForTheNamespacesOwnAddresses) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        const SourceIpSupport support =
            set_up_source_ip_here({ns::ReplyRouting::kMarkOnly, true, {}});
        report.expect(support.ipv4 && support.ipv6 && !support.any_target, "both families");
        report.equal(support.backend, "marks (services on loopback addresses only)", "backend");
    });
}

// Stands in for a machine without the program, and for one whose program cannot.
TEST(SourceIp, IptablesIsUsedOrNothing) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        const SourceIpSupport missing =
            set_up_source_ip_here({ns::ReplyRouting::kIptables, false, {}});
        report.expect(missing.backend == "iptables" || missing.backend.starts_with("none ("),
                      missing.backend);
        report.expect(missing.ipv4 == (missing.backend == "iptables"), "it works as it says");
    });
}

TEST(SourceIp, SaysWhyNot) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        const SourceIpSupport support = set_up_source_ip_here({});  // lo is down
        report.expect(!support.ipv4 && !support.ipv6, "nothing works without lo");
        report.expect(support.backend.starts_with("none ("), support.backend);
    });
}

// A connection to a port nobody listens on is refused at once: the reset finds its way back.
TEST(SourceIp, RefusalsComeBack) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        expect_transparent(report, "at first");
        const sys::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const int on = 1;
        const std::uint32_t mark = ns::kRelayMark;
        report.expect(
            ::setsockopt(socket.number(), SOL_IP, IP_TRANSPARENT, &on, sizeof on) == 0 &&
                ::setsockopt(socket.number(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0,
            "socket options");
        const auto from = sys::to_sockaddr(Endpoint{*IpAddress::parse("203.0.113.9"), 40000});
        const auto to = sys::to_sockaddr(Endpoint{*IpAddress::parse("127.0.0.1"), 9});
        report.expect(::bind(socket.number(), from.get(), from.length) == 0, "bind");
        static_cast<void>(::connect(socket.number(), to.get(), to.length));
        pollfd ready{socket.number(), POLLOUT, 0};
        report.expect(::poll(&ready, 1, 500) == 1, "an answer within half a second");
        int error = 0;
        socklen_t length = sizeof error;
        ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &length);
        report.equal(errno_text(error), "connection refused", "connect");
    });
}

TEST(SourceIp, EntersTheNamespacesFromOutside) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        auto network = sys::open_file("/proc/self/ns/net", O_RDONLY);
        report.expect(network.has_value(), "namespace");
        const ns::TargetNamespaces target(sys::Fd(), std::move(*network));
        report.expect(::unshare(CLONE_NEWNET) == 0, "another one, without lo");
        SourceIpSetup setup = SourceIpSetup::begin(target, {});
        const SourceIpSupport& support = setup.outcome();
        report.expect(support.ipv4, support.backend);
        report.expect(!setup.ready().valid(), "nothing more will come");
        const SourceIpSetup unwaited = SourceIpSetup::begin(target, {});
    });
}

}  // namespace
}  // namespace rk::drivers
