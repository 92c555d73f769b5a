// SPDX-License-Identifier: Apache-2.0
#include "relay/netns_source.h"
#include "relay/shared.h"
#include "sys/file.h"
#include "sys/netlink.h"

#include <atomic>

#include <fcntl.h>
#include <sched.h>

#include "namespace_child.h"
#include "relay_fixture.h"

namespace rk::relay {
namespace {

using test::Report;
using Addresses = NetnsSource::Addresses;
using wire::Transport;

/// A network namespace whose lo is up, made from one whose lo is down.
sys::Fd other_namespace() {
    const auto own = sys::open_file("/proc/self/ns/net", O_RDONLY);
    if (!own || ::unshare(CLONE_NEWNET) != 0 || !sys::bring_up_loopback()) {
        return {};
    }
    auto other = sys::open_file("/proc/self/ns/net", O_RDONLY);
    return other && ::setns(own->number(), CLONE_NEWNET) == 0 ? std::move(*other) : sys::Fd();
}

bool reaches_loopback(const sys::Fd& socket) {
    const sockaddr_in name = loopback(9);
    return socket.valid() && (::connect(socket.number(), raw(name), sizeof name) == 0 ||
                              errno == EINPROGRESS || errno == ECONNREFUSED);
}

void with_source(Addresses addresses, const std::function<void(Report&, NetnsSource&)>& body) {
    test::run_in_namespace(CLONE_NEWNET, [&](Report& report) {
        sys::Fd network = other_namespace();
        report.expect(network.valid(), "another namespace");
        auto source = NetnsSource::start(network, addresses);
        network.reset();
        report.equal(source ? "" : source.error().message, "", "start");
        if (source) {
            body(report, **source);
        }
    });
}

TEST(RelayNetnsSource, SocketsBelongToTheNamespace) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        const sys::Fd ours(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        report.expect(!reaches_loopback(ours), "this namespace has no lo");
        report.expect(reaches_loopback(source.take(Transport::kUdp, AF_INET)), "UDP");
        report.expect(reaches_loopback(source.take(Transport::kTcp, AF_INET)), "TCP");
        for (const int family : {AF_INET, AF_INET6}) {
            for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
                const sys::Fd socket = source.take(transport, family);
                int found[2] = {};
                socklen_t length = sizeof found[0];
                ::getsockopt(socket.number(), SOL_SOCKET, SO_DOMAIN, &found[0], &length);
                ::getsockopt(socket.number(), SOL_SOCKET, SO_TYPE, &found[1], &length);
                report.expect(found[0] == family, "the family asked for");
                report.expect(found[1] == (transport == Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM),
                              "the transport asked for");
                report.expect((::fcntl(socket.number(), F_GETFL) & O_NONBLOCK) != 0, "nonblocking");
                report.expect((::fcntl(socket.number(), F_GETFD) & FD_CLOEXEC) != 0, "cloexec");
            }
        }
    });
}

TEST(RelayNetnsSource, SocketsMayHaveForeignAddresses) {
    constexpr std::uint32_t kForeign = 0xc0000201;  // 192.0.2.1, RFC 5737
    with_source(Addresses::kAny, [&](Report& report, NetnsSource& source) {
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            const sys::Fd socket = source.take(transport, AF_INET);
            const sockaddr_in name = loopback(4711, kForeign);
            report.expect(::bind(socket.number(), raw(name), sizeof name) == 0, "bound, IPv4");
            const sys::Fd other = source.take(transport, AF_INET6);
            sockaddr_in6 name6{};
            name6.sin6_family = AF_INET6;
            ::inet_pton(AF_INET6, "2001:db8::1", &name6.sin6_addr);
            sockaddr* const any = reinterpret_cast<sockaddr*>(&name6);  // NOLINT: socket API
            report.expect(::bind(other.number(), any, sizeof name6) == 0, "bound, IPv6");
        }
    });
}

TEST(RelayNetnsSource, IdleSocketsArePaidFor) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        Budget fds(1U << 20U);
        source.attach(fds);
        fds.charge(1);  // as who takes does
        const sys::Fd socket = source.take(Transport::kTcp, AF_INET);
        report.expect(socket.valid(), "a socket");
        // One is missing where the pool was full before the first was taken out.
        report.expect(eventually([&] { return fds.used() >= kPoolSockets; }), "a full pool");
        report.expect(fds.used() <= 1 + kPoolSockets, "no fuller");
        source.shrink();
        report.expect(fds.used() == 1, "nothing idle");
        source.detach();
        report.expect(fds.used() == 1, "nothing given twice");
    });
}

TEST(RelayNetnsSource, WhoHasPaidIsServedWhenNothingIsLeft) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        Budget fds(8, 8);
        source.attach(fds);
        for (int i = 0; i < 20; ++i) {
            report.expect(source.take(Transport::kUdp, AF_INET).valid(), "a socket");
            fds.charge(1);  // take() gave back what stands for the caller's own payment
        }
        report.expect(fds.used() == 8 + 20, "no idle ones");
        source.detach();
    });
}

TEST(RelayNetnsSource, ServesManyAtOnce) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        constexpr int kEach = 500;
        constexpr int kThreads = 4;
        Budget fds(1U << 20U, kEach * kThreads);
        source.attach(fds);
        std::atomic<int> got{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back([&] {
                for (int n = 0; n < kEach; ++n) {
                    got += source.take(Transport::kTcp, AF_INET).valid() ? 1 : 0;
                }
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        report.expect(got == kEach * kThreads, "every one");
        source.detach();
        report.expect(fds.used() == kEach * kThreads, "every one paid for once");
    });
}

TEST(RelayNetnsSource, SaysWhyThereIsNoneAndRecovers) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        for (int i = 0; i < 3; ++i) {
            const sys::Fd socket = source.take(Transport::kTcp, AF_INET);
            report.equal(socket.valid() ? "a socket" : errno_text(errno), errno_text(EMFILE),
                         "at the limit");
        }
        ::setrlimit(RLIMIT_NOFILE, &limit);
        report.expect(source.take(Transport::kTcp, AF_INET).valid(), "below it again");
    });
}

TEST(RelayNetnsSource, WorksInTheNamespaceForOthers) {
    with_source(Addresses::kLocal, [](Report& report, NetnsSource& source) {
        bool inside = false;
        const auto done = source.perform([&]() -> Result<void> {
            inside = reaches_loopback(sys::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
            return fail("seen");
        });
        report.expect(inside, "in its namespace");
        report.equal(done ? "" : done.error().message, "seen", "its outcome");
    });
}

TEST(RelayNetnsSource, SaysThatANamespaceCannotBeEntered) {
    const auto file = sys::open_file("/dev/null", O_RDONLY);
    ASSERT_TRUE(file);
    const auto source = NetnsSource::start(*file, Addresses::kLocal);
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, EINVAL);
}

}  // namespace
}  // namespace rk::relay
