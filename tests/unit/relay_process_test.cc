// SPDX-License-Identifier: Apache-2.0
// The builtin port driver with a real relay, from one network namespace into another.
#include "launch/relay_process.h"

#include "drivers/port/builtin.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "sys/process.h"
#include "sys/sockaddr.h"

#include <csignal>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

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

}  // namespace
}  // namespace rk::launch
