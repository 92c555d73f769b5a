// SPDX-License-Identifier: Apache-2.0
//
// Published ports called from the gateway of the builtin network: three real network namespaces,
// clients in the first one, services in the second, the relay's sockets in the last two.
#include "drivers/port/source_ip.h"
#include "relay/netns_source.h"
#include "relay/socket_address.h"
#include "sys/sockaddr.h"

#include "gateway_stage.h"
#include "namespace_child.h"
#include "relay_fixture.h"

namespace rk::relay {
namespace {

using model::Endpoint;
using test::address;
using test::GatewayStage;
using test::Report;
using wire::Transport;

constexpr std::string_view kClientV4 = "192.0.2.1";    // RFC 5737
constexpr std::string_view kClientV6 = "2001:db8::1";  // RFC 3849
constexpr std::uint16_t kService = 80;

int type_of(Transport transport) {
    return transport == Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM;
}

/// A bound socket of this thread's namespace; a TCP one listens where `listens`.
sys::Fd socket_at(Transport transport, const Endpoint& own, bool listens) {
    const SocketAddress name(own);
    sys::Fd socket(::socket(name.any.sa_family, type_of(transport) | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int on = 1;
    ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.number(), &name.any, name.length) < 0) {
        return {};
    }
    if (listens && transport == Transport::kTcp) {
        ::listen(socket.number(), 64);
    }
    return socket;
}

/// The stage with a relay.
class Play {
 public:
    explicit Play(Report& report) : report_(report) {
        const Result<void> built = stage_.build();
        if (!built) {
            report.cannot_run(built.error().message);
            return;
        }
        auto routing = sys::NetlinkSocket::open(NETLINK_ROUTE);
        for (const auto host : {kClientV4, kClientV6, test::kChildV4}) {
            const std::uint8_t prefix = address(host).is_v4() ? 32 : 128;
            static_cast<void>(
                routing->request(sys::add_address(sys::kLoopbackIndex, address(host), prefix)));
        }
        // A new IPv6 address is tentative for a moment, also without duplicate detection.
        report.expect(eventually([] {
                          return socket_at(Transport::kUdp, {address(kClientV6), 0}, false).valid();
                      }),
                      "the host's addresses");
        RelayParts parts;
        auto child = NetnsSource::start(stage_.child, NetnsSource::Addresses::kLocal);
        auto gateway = NetnsSource::start(stage_.gateway, NetnsSource::Addresses::kAny);
        if (!child || !gateway) {
            report.cannot_run("no sources");
            return;
        }
        parts.sources.child = std::move(*child);
        parts.sources.gateway = std::move(*gateway);
        parts.sources.gateway_v4 = address(test::kGatewayV4);
        parts.sources.gateway_v6 = address(test::kGatewayV6);
        relay_.emplace(RelayLimits{.workers = 2}, std::move(parts));
    }
    [[nodiscard]] bool ready() const { return relay_.has_value(); }

    sys::Fd service(Transport transport, std::string_view at) const {
        sys::Fd socket;
        test::in_namespace(stage_.child, [&] {
            eventually([&] {
                socket = socket_at(transport, {address(at), kService}, true);
                return socket.valid();
            });
        });
        report_.expect(socket.valid(), "a service");
        return socket;
    }
    /// Publishes the child's address of that family on `host`'s, "" = no fallback.
    Endpoint publish(Transport transport, std::string_view host, std::string_view fallback,
                     bool transparent = true, bool fallback_transparent = false) {
        wire::AddPort port;
        port.id = ++ids_;
        const bool v4 = address(host).is_v4();
        port.target = {address(v4 ? test::kChildV4 : test::kChildV6), kService};
        port.transparent = transparent;
        port.origin = wire::Origin::kGateway;
        if (!fallback.empty()) {
            port.fallback = Endpoint{address(fallback), kService};
        }
        port.fallback_transparent = fallback_transparent;
        sys::Fd socket = socket_at(transport, {address(host), 0}, true);
        const auto own = sys::local_endpoint(socket);
        relay_->add(port, std::move(socket));
        return own.value_or(Endpoint());
    }
    sys::Fd client(Transport transport, const Endpoint& own, const Endpoint& to) const {
        sys::Fd socket = socket_at(transport, own, false);
        const SocketAddress name(to);
        // The route of a new IPv6 address comes a little later than the address.
        int code = 0;
        eventually([&] {
            code = ::connect(socket.number(), &name.any, name.length) == 0 ? 0 : errno;
            return code != ENETUNREACH;
        });
        report_.equal(code == 0 ? "" : errno_text(code), "", "connect");
        return socket;
    }
    model::PortCounters counters() { return relay_->counters(static_cast<int>(ids_)); }

    GatewayStage stage_;
    Report& report_;
    std::optional<RunningRelay> relay_;
    std::uint32_t ids_ = 0;
};

void with_play(const std::function<void(Report&, Play&)>& body) {
    test::run_in_namespace(CLONE_NEWNET, [&](Report& report) {
        Play play(report);
        if (play.ready()) {
            body(report, play);
        }
    });
}

/// Who the service saw, after a word in each direction.
Endpoint seen_over_tcp(Report& report, const sys::Fd& service, const sys::Fd& client) {
    send_text(client, "question");
    const sys::Fd inside = accepted(service);
    report.equal(receive_text(inside).value_or(errno_text(errno)), "question", "to the service");
    send_text(inside, "answer");
    report.equal(receive_text(client).value_or(errno_text(errno)), "answer", "to the client");
    return sys::peer_endpoint(inside).value_or(Endpoint());
}

Endpoint seen_over_udp(Report& report, const sys::Fd& service, const sys::Fd& client,
                       std::string_view question = "question") {
    send_text(client, question);
    SocketAddress peer;
    char text[64] = {};
    const ssize_t got = ::recvfrom(service.number(), text, sizeof text, 0, &peer.any, &peer.length);
    report.equal(got < 0 ? errno_text(errno) : std::string(text), question, "to the service");
    if (got >= 0) {
        ::sendto(service.number(), "answer", 6, 0, &peer.any, peer.length);
        report.equal(receive_text(client).value_or(errno_text(errno)), "answer", "to the client");
    }
    return peer.endpoint();
}

Endpoint own_of(const sys::Fd& socket) {
    return sys::local_endpoint(socket).value_or(Endpoint());
}

Endpoint seen(Report& report, Transport transport, const sys::Fd& service, const sys::Fd& client) {
    return transport == Transport::kTcp ? seen_over_tcp(report, service, client)
                                        : seen_over_udp(report, service, client);
}

std::string_view name_of(Transport transport) {
    return transport == Transport::kTcp ? "TCP" : "UDP";
}

TEST(RelayGateway, ServicesSeeClientsAsWhoTheyAre) {
    with_play([](Report& report, Play& play) {
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            for (const bool v4 : {true, false}) {
                const auto client_ip = v4 ? kClientV4 : kClientV6;
                const sys::Fd service = play.service(transport, v4 ? "0.0.0.0" : "::");
                const Endpoint port = play.publish(transport, client_ip, "");
                for (const auto own : {std::uint16_t{0}, std::uint16_t{700}}) {
                    const sys::Fd client = play.client(transport, {address(client_ip), own}, port);
                    report.equal(seen(report, transport, service, client).text(),
                                 own_of(client).text(), name_of(transport));
                }
                report.expect(play.counters().errors == 0, "no errors");
            }
        }
    });
}

TEST(RelayGateway, ClientsThatMeanSomethingElseInsideAreTheGateway) {
    with_play([](Report& report, Play& play) {
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            const sys::Fd service = play.service(transport, "0.0.0.0");
            for (const std::string_view host : {std::string_view("127.0.0.1"), test::kChildV4}) {
                const Endpoint port = play.publish(transport, host, "");
                const sys::Fd client = play.client(transport, {address(host), 0}, port);
                report.equal(seen(report, transport, service, client).address.text(),
                             test::kGatewayV4, host);
            }
            const Endpoint port = play.publish(transport, kClientV4, "", false);
            const sys::Fd client = play.client(transport, {address(kClientV4), 0}, port);
            report.equal(seen(report, transport, service, client).address.text(), test::kGatewayV4,
                         "not transparent");
        }
    });
}

// A client of the other family than the target's is on a dual-stack socket.
TEST(RelayGateway, ClientsOfTheOtherFamilyAreTheGateway) {
    with_play([](Report& report, Play& play) {
        const sys::Fd service = play.service(Transport::kTcp, "0.0.0.0");
        const sys::Fd service6 = play.service(Transport::kUdp, "0.0.0.0");
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            wire::AddPort port;
            port.id = ++play.ids_;
            port.target = {address(test::kChildV4), kService};
            port.transparent = true;
            port.origin = wire::Origin::kGateway;
            sys::Fd socket = socket_at(transport, {address("::"), 0}, true);
            const std::uint16_t number = own_of(socket).port;
            play.relay_->add(port, std::move(socket));
            const sys::Fd& one = transport == Transport::kTcp ? service : service6;
            const sys::Fd v6 =
                play.client(transport, {address(kClientV6), 0}, {address(kClientV6), number});
            report.equal(seen(report, transport, one, v6).address.text(), test::kGatewayV4, "IPv6");
            const sys::Fd v4 =
                play.client(transport, {address(kClientV4), 0}, {address(kClientV4), number});
            report.equal(seen(report, transport, one, v4).text(), own_of(v4).text(), "v4-mapped");
        }
    });
}

TEST(RelayGateway, APortThatIsTakenBecomesAnother) {
    with_play([](Report& report, Play& play) {
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            const sys::Fd service = play.service(transport, "0.0.0.0");
            const Endpoint port = play.publish(transport, kClientV4, "");
            sys::Fd taken;
            test::in_namespace(play.stage_.gateway, [&] {
                taken = socket_at(transport, {address("0.0.0.0"), 4711}, true);
            });
            const sys::Fd client = play.client(transport, {address(kClientV4), 4711}, port);
            const Endpoint peer = seen(report, transport, service, client);
            report.equal(peer.address.text(), kClientV4, "its address");
            report.expect(peer.port != 4711 && peer.port != 0, "another port");
        }
    });
}

TEST(RelayGateway, WhatListensOnLoopbackAloneIsCalledFromInside) {
    with_play([](Report& report, Play& play) {
        for (const auto transport : {Transport::kTcp, Transport::kUdp}) {
            for (const bool v4 : {true, false}) {
                const auto loopback_ip = v4 ? "127.0.0.1" : "::1";
                const auto client_ip = v4 ? kClientV4 : kClientV6;
                const sys::Fd service = play.service(transport, loopback_ip);
                const Endpoint port = play.publish(transport, client_ip, loopback_ip);
                const sys::Fd client = play.client(transport, {address(client_ip), 0}, port);
                // The second time UDP's flow is there already.
                for (int i = 0; i < (transport == Transport::kUdp ? 2 : 1); ++i) {
                    report.equal(seen(report, transport, service, client).address.text(),
                                 loopback_ip, name_of(transport));
                }
                report.expect(play.counters().errors == 0, "no errors");
                report.expect(play.counters().dropped == 0, "nothing lost");
                report.expect(play.counters().accepted == 1, "one connection or flow");
            }
        }
    });
}

TEST(RelayGateway, TheFallbackMayBeTransparent) {
    with_play([](Report& report, Play& play) {
        drivers::SourceIpSupport support;
        test::in_namespace(play.stage_.child,
                           [&] { support = drivers::set_up_source_ip_here({}); });
        report.expect(support.ipv4, support.backend);
        const sys::Fd service = play.service(Transport::kTcp, "127.0.0.1");
        const Endpoint port = play.publish(Transport::kTcp, kClientV4, "127.0.0.1", true, true);
        const sys::Fd client = play.client(Transport::kTcp, {address(kClientV4), 0}, port);
        report.equal(seen_over_tcp(report, service, client).text(), own_of(client).text(),
                     "client");
        // The gateway's way still works beside these rules.
        const sys::Fd other = play.service(Transport::kTcp, test::kChildV4);
        const sys::Fd again = play.client(Transport::kTcp, {address(kClientV4), 0}, port);
        report.equal(seen_over_tcp(report, other, again).text(), own_of(again).text(), "again");
    });
}

// The child believes the client's network to be elsewhere, as Docker's bridge may be.
TEST(RelayGateway, AServiceThatCannotAnswerTheClientAnswersTheGateway) {
    with_play([](Report& report, Play& play) {
        test::in_namespace(play.stage_.child, [&] {
            auto routing = sys::NetlinkSocket::open(NETLINK_ROUTE);
            report.expect(
                routing->request(sys::add_address(sys::kLoopbackIndex, address("192.0.2.77"), 24))
                    .has_value(),
                "the client's network");
        });
        const sys::Fd service = play.service(Transport::kTcp, "0.0.0.0");
        const Endpoint port = play.publish(Transport::kTcp, kClientV4, "127.0.0.1");
        const sys::Fd client = play.client(Transport::kTcp, {address(kClientV4), 0}, port);
        report.equal(seen_over_tcp(report, service, client).address.text(), test::kGatewayV4,
                     "the gateway");
        report.expect(play.counters().errors == 1, "counted");
    });
}

TEST(RelayGateway, NobodyIsARefusal) {
    with_play([](Report& report, Play& play) {
        for (const std::string_view fallback : {"", "127.0.0.1"}) {
            const Endpoint port = play.publish(Transport::kTcp, kClientV4, fallback);
            const sys::Fd client = play.client(Transport::kTcp, {address(kClientV4), 0}, port);
            report.expect(!receive_text(client) && errno == ECONNRESET, "a reset");
            report.expect(play.counters().refused == 1, "counted once");
            report.expect(play.counters().errors == 0, "no errors");
        }
        report.expect(play.relay_->becomes_idle(), "nothing is left");
    });
}

// They are sent in one go, before the refusal of the first one is known.
TEST(RelayGateway, NothingThatBeganAFlowIsLost) {
    with_play([](Report& report, Play& play) {
        const sys::Fd service = play.service(Transport::kUdp, "127.0.0.1");
        const Endpoint port = play.publish(Transport::kUdp, kClientV4, "127.0.0.1");
        const sys::Fd client = play.client(Transport::kUdp, {address(kClientV4), 0}, port);
        for (const std::string_view text : {"one", "two", "three", "four"}) {
            send_text(client, text);
        }
        std::string all;
        for (int i = 0; i < 4; ++i) {
            all += receive_text(service).value_or(errno_text(errno)) + " ";
        }
        report.equal(all, "one two three four ", "in order");
        report.expect(!readable_within(service, 20), "and none twice");
    });
}

// A kernel refuses one client about once a second: the others of its flows must not need it.
TEST(RelayGateway, EveryFlowOfAClientFallsBack) {
    with_play([](Report& report, Play& play) {
        const sys::Fd service = play.service(Transport::kUdp, "127.0.0.1");
        const Endpoint port = play.publish(Transport::kUdp, kClientV4, "127.0.0.1");
        for (int i = 0; i < 50; ++i) {
            const sys::Fd client = play.client(Transport::kUdp, {address(kClientV4), 0}, port);
            seen_over_udp(report, service, client);
        }
    });
}

// Both targets refuse at first; then somebody listens on the first one.
TEST(RelayGateway, AFlowThatWasRefusedFindsALateService) {
    with_play([](Report& report, Play& play) {
        const Endpoint port = play.publish(Transport::kUdp, kClientV4, "127.0.0.1");
        const sys::Fd client = play.client(Transport::kUdp, {address(kClientV4), 0}, port);
        send_text(client, "early");
        report.expect(eventually([&] { return play.counters().refused > 0; }), "refused");
        const sys::Fd service = play.service(Transport::kUdp, test::kChildV4);
        report.expect(eventually([&] {
                          send_text(client, "late");
                          return readable_within(service, 50);
                      }),
                      "found");
        report.equal(receive_text(service).value_or(""), "late", "arrives");
    });
}

TEST(RelayGateway, APortThroughNoGatewayIsRefused) {
    RunningRelay relay;
    wire::AddPort port;
    port.request = 9;
    port.id = 1;
    port.origin = wire::Origin::kGateway;
    const sys::Fd socket = listening();
    relay.send_raw_with(wire::encode(port), socket);
    EXPECT_EQ(relay.done().code, static_cast<std::uint32_t>(EINVAL));
}

}  // namespace
}  // namespace rk::relay
