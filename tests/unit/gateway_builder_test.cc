// SPDX-License-Identifier: Apache-2.0
#include "gateway/builder.h"
#include "gateway/kernel_names.h"
#include "sys/file.h"
#include "sys/sockaddr.h"
#include "wire/nfqueue.h"
#include "wire/packet_header.h"

#include <array>
#include <chrono>
#include <optional>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "namespace_child.h"

namespace rk::gateway {
namespace {

using model::Endpoint;
using model::IpAddress;
using test::Report;

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

Plan plan() {
    Plan plan;
    plan.device = "tap0";
    plan.mtu = 1500;
    plan.workers = 2;
    plan.v4 = {address("10.0.2.100"), 24, address("10.0.2.2"), address("10.0.2.3")};
    plan.v6 = FamilyPlan{address("fd00::100"), 64, address("fd00::2"), address("fd00::3")};
    return plan;
}

std::optional<Sockets> build(Report& report) {
    sys::Fd netns = *sys::open_file("/proc/self/ns/net", O_RDONLY);
    const ns::TargetNamespaces here(sys::Fd(), std::move(netns));
    auto builder = Builder::start(here, plan());
    if (!builder) {
        report.equal(builder.error().message, "", "start");
        return std::nullopt;
    }
    auto sockets = builder->finish(sys::Deadline::after(std::chrono::seconds(10)), nullptr);
    if (!sockets) {
        report.equal(sockets.error().message, "", "finish");
        return std::nullopt;
    }
    return std::move(*sockets);
}

bool becomes_ready(sys::FdRef fd, short events) {
    pollfd ready{fd.number(), events, 0};
    return ::poll(&ready, 1, 5000) == 1;
}

sys::Fd begin_connect(const Endpoint& to) {
    const auto target = sys::to_sockaddr(to);
    sys::Fd socket(
        ::socket(target.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(::connect(socket.number(), target.get(), target.length));
    return socket;
}

struct Held {
    sys::FdRef queue;
    std::uint16_t number;
    std::uint32_t id;
    wire::TcpSyn syn;
};

std::optional<Held> take_held(const Sockets& sockets) {
    std::array<pollfd, 2> ready{{{sockets.workers[0].queue.number(), POLLIN, 0},
                                 {sockets.workers[1].queue.number(), POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), 5000) <= 0) {
        return std::nullopt;
    }
    const sys::FdRef queue(ready[0].revents != 0 ? ready[0].fd : ready[1].fd);
    std::array<std::byte, 4096> room{};
    const ssize_t got = ::recv(queue.number(), room.data(), room.size(), 0);
    wire::QueueReader reader{std::span(room).first(got > 0 ? static_cast<std::size_t>(got) : 0)};
    const auto message = reader.next();
    const auto* packet = message ? std::get_if<wire::QueuedPacket>(&*message) : nullptr;
    if (packet == nullptr) {
        return std::nullopt;
    }
    const auto header = wire::parse_packet_header(packet->bytes);
    const auto* syn = std::get_if<wire::TcpSyn>(&header);
    return syn == nullptr ? std::nullopt
                          : std::optional(Held{queue, packet->queue, packet->id, *syn});
}

void decide(const Held& held, wire::Verdict verdict, Mark mark) {
    std::array<std::byte, 64> room{};
    const std::size_t length =
        wire::put_verdict(room, held.number, held.id, verdict, static_cast<std::uint32_t>(mark));
    static_cast<void>(::send(held.queue.number(), room.data(), length, 0));
}

int connect_error(sys::FdRef socket) {
    int code = ETIMEDOUT;
    socklen_t length = sizeof code;
    if (becomes_ready(socket, POLLOUT)) {
        ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &code, &length);
    }
    return code;
}

void admitted(Report& report, const Sockets& sockets, const Endpoint& to, sys::FdRef listener) {
    const sys::Fd client = begin_connect(to);
    const auto held = take_held(sockets);
    report.expect(held.has_value(), "held: " + to.text());
    if (!held) {
        return;
    }
    report.equal(held->syn.to.text(), to.text(), "destination");
    decide(*held, wire::Verdict::kAccept, Mark::kPass);
    report.expect(connect_error(client) == 0, "connected: " + to.text());
    report.expect(becomes_ready(listener, POLLIN), "accepted");
    const sys::Fd accepted(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
    report.equal(sys::local_endpoint(accepted)->text(), to.text(), "asked for");
}

void refused(Report& report, const Sockets& sockets, const Endpoint& to, Mark mark, int code) {
    const sys::Fd client = begin_connect(to);
    const auto held = take_held(sockets);
    report.expect(held.has_value(), "held: " + to.text());
    if (held) {
        decide(*held, wire::Verdict::kAccept, mark);
        report.equal(errno_text(connect_error(client)), errno_text(code), to.text());
    }
}

TEST(GatewayBuilder, HoldsConnectionsUntilAVerdict) {
    test::run_in_namespace(CLONE_NEWNET, [](Report& report) {
        const auto sockets = build(report);
        if (!sockets) {
            return;
        }
        report.expect(sockets->mode != QueueMode::kAcceptFirst, "this kernel can hold packets");
        admitted(report, *sockets, {address("192.0.2.1"), 80}, sockets->tcp4);
        admitted(report, *sockets, {address("2001:db8::1"), 80}, sockets->tcp6);
        for (const char* to : {"192.0.2.1", "2001:db8::1"}) {
            const Endpoint endpoint{address(to), 443};
            refused(report, *sockets, endpoint, Mark::kReset, ECONNREFUSED);
            refused(report, *sockets, endpoint, Mark::kHostUnreachable, EHOSTUNREACH);
            refused(report, *sockets, endpoint, Mark::kNoRoute, ENETUNREACH);
        }
    });
}

}  // namespace
}  // namespace rk::gateway
