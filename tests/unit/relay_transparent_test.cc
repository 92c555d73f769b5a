// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include <array>
#include <cstring>

#include <linux/capability.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "namespace_child.h"
#include "relay_fixture.h"

namespace rk::relay {
namespace {

constexpr std::uint32_t kClientAddress = 0xc0000201;  // 192.0.2.1, RFC 5737

// A second address of lo: no loopback address, yet of this host.
bool add_client_address() {
    const sys::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo:1", sizeof request.ifr_name - 1);
    const sockaddr_in name = loopback(0, kClientAddress);
    std::memcpy(&request.ifr_addr, &name, sizeof name);
    return sys::bring_up_loopback() && ::ioctl(socket.number(), SIOCSIFADDR, &request) == 0;
}

bool drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    return ::syscall(SYS_capset, &header, none.data()) == 0;
}

/// The service's view of a client that comes from kClientAddress, and the client's own.
struct Seen {
    sockaddr_in by_service{};
    sockaddr_in by_client{};
    model::PortCounters counters;
};

Seen connect_once() {
    Seen seen;
    const sys::Fd service = listening();
    RunningRelay relay;
    const std::uint16_t port = relay.add(1, listening(), port_of(service), true);
    const sys::Fd client = bound(SOCK_STREAM, kClientAddress);
    const sockaddr_in name = loopback(port);
    socklen_t length = sizeof name;
    if (::connect(client.number(), raw(name), length) == 0 &&
        readable_within(service, kPatienceMs)) {
        const sys::Fd inside(
            ::accept4(service.number(), raw(seen.by_service), &length, SOCK_CLOEXEC));
        ::getsockname(client.number(), raw(seen.by_client), &length);
    }
    seen.counters = relay.counters(1);
    return seen;
}

TEST(RelayTransparent, TheServiceSeesTheClient) {
    test::run_in_namespace(CLONE_NEWNET, [](test::Report& report) {
        report.expect(add_client_address(), "an address for the client");
        const Seen seen = connect_once();
        report.expect(ntohl(seen.by_service.sin_addr.s_addr) == kClientAddress, "its address");
        report.expect(seen.by_service.sin_port == seen.by_client.sin_port, "its port");
        report.expect(seen.counters.errors == 0, "no error");
    });
}

TEST(RelayTransparent, WithoutThePrivilegeTheServiceSeesThisHost) {
    test::run_in_namespace(CLONE_NEWNET, [](test::Report& report) {
        report.expect(add_client_address() && drop_capabilities(), "the stage");
        const Seen seen = connect_once();
        report.expect(ntohl(seen.by_service.sin_addr.s_addr) == INADDR_LOOPBACK, "connected");
        report.expect(seen.counters.errors == 1, "counted");
    });
}

}  // namespace
}  // namespace rk::relay
