// SPDX-License-Identifier: Apache-2.0
// The builtin port driver with a real relay, from one network namespace into another.
#include "launch/relay_process.h"

#include "drivers/port/builtin.h"
#include "drivers/port/relay_keeper.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/process.h"
#include "sys/sockaddr.h"

#include <csignal>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "gateway_stage.h"
#include "namespace_child.h"

namespace rk::launch {
namespace {

using model::Endpoint;
using model::IpAddress;
using model::PortSpec;
using test::Report;

constexpr std::uint16_t kServicePort = 80;

// Tells every client the address it comes from.
[[noreturn]] void serve(const sys::Fd& listener) {
    for (;;) {
        const sys::Fd client(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
        const auto peer = sys::peer_endpoint(client);
        const std::string text = peer ? peer->address.text() : "?";
        static_cast<void>(!::send(client.number(), text.data(), text.size(), MSG_NOSIGNAL));
    }
}

// What the service said, or why there was nothing.
std::string ask(const Endpoint& from, const Endpoint& to) {
    const sys::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{5, 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto own = sys::to_sockaddr(from);
    const auto name = sys::to_sockaddr(to);
    if (::bind(socket.number(), own.get(), own.length) < 0 ||
        ::connect(socket.number(), name.get(), name.length) < 0) {
        return errno_text(errno);
    }
    char text[64] = {};
    const ssize_t got = ::recv(socket.number(), text, sizeof text, 0);
    return got < 0 ? errno_text(errno) : std::string(text, static_cast<std::size_t>(got));
}

/// This process is the "host"; a service runs in a network
/// namespace beside it.
struct Stage {
    IpAddress host = *IpAddress::parse("127.0.0.1");
    pid_t service = 0;
    std::optional<ns::TargetNamespaces> target;

    bool build() {
        const auto ours = sys::open_file("/proc/self/ns/net", O_RDONLY);
        if (!ours || !sys::bring_up_loopback() || ::unshare(CLONE_NEWNET) != 0 ||
            !sys::bring_up_loopback()) {
            return false;
        }
        const sys::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto name = sys::to_sockaddr(Endpoint{host, kServicePort});
        if (::bind(listener.number(), name.get(), name.length) < 0 ||
            ::listen(listener.number(), 16) < 0) {
            return false;
        }
        const auto pid = sys::clone_process(0);
        if (pid && *pid == 0) {
            sys::die_with_parent();
            serve(listener);
        }
        service = pid.value_or(0);
        auto inside = sys::open_file("/proc/self/ns/net", O_RDONLY);
        target.emplace(sys::Fd(), std::move(*inside));
        return service != 0 && ::setns(ours->number(), CLONE_NEWNET) == 0;
    }
    void end() const {
        sys::kill_hard(service);
        sys::wait_for_exit(service);
    }
};

sys::Fd listening_at(const Endpoint& own) {
    sys::Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto name = sys::to_sockaddr(own);
    const int on = 1;
    ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool listens = ::bind(listener.number(), name.get(), name.length) == 0 &&
                         ::listen(listener.number(), 16) == 0;
    return listens ? std::move(listener) : sys::Fd();
}

sys::Fd calling(const Endpoint& to) {
    sys::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{5, 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto name = sys::to_sockaddr(to);
    return ::connect(socket.number(), name.get(), name.length) == 0 ? std::move(socket) : sys::Fd();
}

// The next connection of a listener, or none within five seconds.
sys::Fd taken(const sys::Fd& listener) {
    const timeval patience{5, 0};
    ::setsockopt(listener.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return sys::Fd(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

TEST(RelayProcess, ServesPortsAndSurvivesItsDeath) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        Stage stage;
        if (!stage.build()) {
            report.cannot_run(fmt::format("no namespaces: {}", errno_text(errno)));
            return;
        }
        const Logger log({.id = "parent"});
        drivers::BuiltinPortParts parts;
        parts.start_relay = [&] { return start_relay_process(*stage.target, {}); };
        parts.set_up_source_ip = [&] { return drivers::SourceIpSetup::begin(*stage.target, {}); };
        drivers::BuiltinPortDriver driver(std::move(parts), log);
        driver.prepare();
        const auto loopback = driver.add(*PortSpec::parse("127.0.0.1:0:80/tcp"));
        const auto refused = driver.add(*PortSpec::parse("127.0.0.1:0:81/tcp"));
        if (!loopback || !refused) {
            report.expect(false, "ports are published");
            stage.end();
            return;
        }
        const Endpoint client{stage.host, 0};
        const auto at = [&](const auto& port) {
            return Endpoint{stage.host, port->spec.parent_port()};
        };
        report.equal(ask(client, at(loopback)), "127.0.0.1", "a local client");
        report.equal(ask(client, at(refused)), "connection reset by peer", "nobody listens inside");
        const auto stats = driver.stats();
        report.expect(stats && stats->ports.size() == 2 && stats->ports[0].accepted == 1 &&
                          stats->ports[1].refused == 1,
                      "the counters tell");
        if (stats && stats->health.pid > 0) {
            sys::kill_hard(stats->health.pid);
        }
        const auto again = driver.stats();
        report.expect(again && again->health.restarts == 1, "the relay came back");
        report.equal(ask(client, at(loopback)), "127.0.0.1", "after its death");
        report.expect(driver.remove(loopback->id).has_value(), "removed");
        report.equal(ask(client, at(loopback)), "connection refused", "after removal");
        stage.end();
    });
}

// What the threads of a process are allowed, as the kernel tells it.
std::string rights_of(pid_t process) {
    const auto threads = sys::list_directory(fmt::format("/proc/{}/task", process));
    std::string all;
    for (const std::string& thread : threads.value_or(std::vector<std::string>())) {
        const auto status = sys::read_file(fmt::format("/proc/{}/task/{}/status", process, thread));
        for (const std::string_view name : {"CapPrm", "Seccomp"}) {
            const auto at = status->find(fmt::format("\n{}:\t", name)) + name.size() + 3;
            all += fmt::format("{} ", status->substr(at, status->find('\n', at) - at));
        }
    }
    return all;
}

TEST(RelayProcess, StaysOutsideWithAGateway) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        test::GatewayStage stage;
        if (const auto built = stage.build(); !built) {
            report.cannot_run(built.error().message);
            return;
        }
        sys::Fd service;
        test::in_namespace(stage.child, [&] {
            service = listening_at({test::address(test::kChildV4), kServicePort});
        });
        // In the gateway, for a service of the host: make_parts() has it made by its thread.
        const sys::Fd host_service = listening_at({test::address("127.0.0.1"), 0});
        RelayProcessOptions options{.source_ip_transparent = true, .limits = {.workers = 2}};
        options.gateway.emplace(RelayGateway{.network = stage.gateway,
                                             .address_v4 = test::address(test::kGatewayV4),
                                             .address_v6 = test::address(test::kGatewayV6),
                                             .child_v6 = {}});
        options.gateway->make_parts =
            [target = *sys::local_endpoint(host_service)](
                relay::SocketSources sources) -> Result<relay::RelayParts> {
            auto port = std::make_shared<relay::Port>();
            port->id = relay::kFirstLocalPort;
            port->target = target;
            TRY(sources.gateway->perform([&]() -> Result<void> {
                port->socket = listening_at({test::address(test::kGatewayV4), 53});
                return {};
            }));
            relay::RelayParts parts;
            parts.local_ports.push_back(std::move(port));
            parts.sources = std::move(sources);
            return parts;
        };
        const ns::TargetNamespaces target(sys::Fd(),
                                          sys::Fd(::dup(stage.child.number())));  // NOLINT
        const Logger log({.id = "parent"});
        auto keeper = std::make_shared<drivers::RelayKeeper>(
            [&] { return start_relay_process(target, options); }, log);
        report.expect(keeper->keep_running().has_value(), "it runs without any port");
        drivers::BuiltinPortParts parts;
        parts.relay = keeper;
        parts.gateway.emplace(
            drivers::GatewayTargets{test::address(test::kChildV4), test::address(test::kChildV6)});
        drivers::BuiltinPortDriver driver(std::move(parts), log);
        report.expect(driver.info().disallow_loopback_child_ip, "info");
        const auto port = driver.add(*PortSpec::parse("127.0.0.1:0:80/tcp"));
        report.equal(port ? "" : port.error().message, "", "published");
        for (const std::string_view when : {"at first", "after its death"}) {
            const sys::Fd client = calling({test::address("127.0.0.1"), port->spec.parent_port()});
            const sys::Fd inside = taken(service);
            report.equal(sys::peer_endpoint(inside).value_or(Endpoint()).address.text(),
                         test::kGatewayV4, when);
            sys::Fd from_child;
            test::in_namespace(stage.child, [&] {
                from_child = calling({test::address(test::kGatewayV4), 53});
            });
            report.equal(
                sys::peer_endpoint(taken(host_service)).value_or(Endpoint()).address.text(),
                "127.0.0.1", when);
            const auto stats = keeper->stats();
            report.expect(
                stats && stats->local_ports.size() == 1 && stats->local_ports[0].accepted == 1,
                "local ports are counted");
            const std::string rights = rights_of(keeper->relay()->pid());
            std::string expected;
            for (int i = 0; i < 4; ++i) {  // two workers, two sources
                expected += kSanitized ? "0000000000001000 0 " : "0000000000001000 2 ";
            }
            report.equal(rights, expected, "CAP_NET_ADMIN and the filter in every thread");
            sys::kill_hard(keeper->relay()->pid());
            report.expect(keeper->stats().has_value(), "it comes back");
        }
    });
}

}  // namespace
}  // namespace rk::launch
