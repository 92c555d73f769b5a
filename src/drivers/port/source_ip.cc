// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/source_ip.h"

#include "base/bytes.h"
#include "model/endpoint.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sockaddr.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::drivers {

namespace {

// Everything happens inside one kernel; a second means that packets are lost.
constexpr std::chrono::milliseconds kProbePatience{1000};
// The probes of both families, and four runs of iptables that each take as long as they may.
constexpr std::chrono::seconds kSetupPatience{25};
// Bytes of the report: far fewer than a pipe takes, so writing it does not wait.
constexpr std::size_t kMaxReport = 2000;

// Addresses nobody has (RFC 5737, RFC 3849).
constexpr std::string_view kForeignV4 = "198.51.100.1";
constexpr std::string_view kForeignV6 = "2001:db8::1";

struct Probe {
    int family;
    int level;
    int transparent;  // the option's number
    std::string_view client;
    std::string_view service;
};

constexpr Probe kProbeV4 = {AF_INET, SOL_IP, IP_TRANSPARENT, kForeignV4, "127.0.0.1"};
constexpr Probe kProbeV6 = {AF_INET6, SOL_IPV6, IPV6_TRANSPARENT, kForeignV6, "::1"};

Result<void> check(int returned, std::string_view what) {
    if (returned < 0) {
        return fail(errno_error(errno, what));
    }
    return {};
}

Result<sys::Fd> tcp_socket(int family) {
    sys::Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    TRY(check(socket.number(), "socket"));
    return socket;
}

Result<void> bind_to(const sys::Fd& socket, std::string_view address) {
    const model::Endpoint any_port{model::IpAddress::parse(address).value_or(model::IpAddress()),
                                   0};
    const sys::SocketAddress name = sys::to_sockaddr(any_port);
    return check(::bind(socket.number(), name.get(), name.length), "bind");
}

Result<void> wait_for(const sys::Fd& socket, short events, const sys::Deadline& deadline) {
    pollfd ready{socket.number(), events, 0};
    if (::poll(&ready, 1, deadline.poll_timeout()) <= 0) {
        return fail(errno_error(ETIMEDOUT, "the probe"));
    }
    return {};
}

Result<sys::Fd> transparent_socket(const Probe& probe) {
    sys::Fd socket = TRY(tcp_socket(probe.family));
    const int on = 1;
    const std::uint32_t mark = ns::kRelayMark;
    TRY(check(::setsockopt(socket.number(), probe.level, probe.transparent, &on, sizeof on),
              "IP_TRANSPARENT"));
    TRY(check(::setsockopt(socket.number(), SOL_SOCKET, SO_MARK, &mark, sizeof mark), "SO_MARK"));
    TRY(bind_to(socket, probe.client));
    return socket;
}

// A whole connection: the service sees the foreign address, and what it sends arrives.
Result<void> run_probe(const Probe& probe) {
    const sys::Deadline deadline = sys::Deadline::after(kProbePatience);
    const sys::Fd listener = TRY(tcp_socket(probe.family));
    TRY(bind_to(listener, probe.service));
    TRY(check(::listen(listener.number(), 1), "listen"));
    const model::Endpoint service = TRY(sys::local_endpoint(listener));
    const sys::Fd client = TRY(transparent_socket(probe));
    const sys::SocketAddress name = sys::to_sockaddr(service);
    if (::connect(client.number(), name.get(), name.length) < 0 && errno != EINPROGRESS) {
        return fail(errno_error(errno, "connect"));
    }
    TRY(wait_for(listener, POLLIN, deadline));
    const sys::Fd accepted(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
    TRY(check(accepted.number(), "accept"));
    const model::Endpoint peer = TRY(sys::peer_endpoint(accepted));
    if (peer.address != model::IpAddress::parse(probe.client)) {
        return fail("the service saw {}", peer.address.text());
    }
    TRY(check(static_cast<int>(::send(accepted.number(), "x", 1, MSG_NOSIGNAL)), "send"));
    TRY(wait_for(client, POLLIN, deadline));
    char byte = 0;
    return check(static_cast<int>(::recv(client.number(), &byte, 1, 0)), "receive");
}

std::string describe(const ns::TransparentRoutes& routes) {
    switch (routes.routing) {
        case ns::ReplyRouting::kNft:
            return "nft";
        case ns::ReplyRouting::kIptables:
            return "iptables";
        case ns::ReplyRouting::kMarkOnly:
            break;
    }
    return fmt::format("marks (services on loopback addresses only{}{})",
                       routes.why_marks_only.empty() ? "" : ": ", routes.why_marks_only);
}

SourceIpSupport none(const Error& why) {
    SourceIpSupport support;
    support.backend = fmt::format("none ({})", why.message);
    return support;
}

std::string encode(const SourceIpSupport& support) {
    ByteWriter out;
    out.u8(support.ipv4 ? 1 : 0).u8(support.ipv6 ? 1 : 0).u8(support.any_target ? 1 : 0);
    out.bytes(support.backend);
    return std::move(out).take();
}

SourceIpSupport decode(std::string_view report) {
    ByteReader in(report);
    SourceIpSupport support;
    support.ipv4 = in.u8() == 1;
    support.ipv6 = in.u8() == 1;
    support.any_target = in.u8() == 1;
    support.backend = in.bytes(in.left());
    return support;
}

// In the forked process.
Result<void> set_up_inside(const ns::TargetNamespaces& target, const ns::RoutesRequest& request,
                           const sys::Fd& report, pid_t parent) {
    sys::die_with_parent();
    TRY(target.enter());
    sys::die_with_parent();  // the change of credentials has made the kernel forget it
    if (::getppid() != parent) {
        return fail("the parent is gone");
    }
    std::string text = encode(set_up_source_ip_here(request));
    text.resize(std::min(text.size(), kMaxReport));
    return check(static_cast<int>(::write(report.number(), text.data(), text.size())), "report");
}

ns::RoutesRequest routes_for(const SourceIpRequest& request) {
    ns::RoutesRequest routes;
    routes.routing = request.backend == model::SourceIpBackend::kIptables
                         ? ns::ReplyRouting::kIptables
                         : ns::ReplyRouting::kNft;
    routes.marks_will_do = request.backend == model::SourceIpBackend::kAuto;
    routes.environment = request.environment;
    return routes;
}

}  // namespace

SourceIpSupport set_up_source_ip_here(const ns::RoutesRequest& request) {
    const Result<ns::TransparentRoutes> routes = ns::set_up_transparent_routes(request);
    if (!routes) {
        return none(routes.error());
    }
    const Result<void> probed = run_probe(kProbeV4);
    if (!probed) {
        return none(probed.error());
    }
    SourceIpSupport support;
    support.ipv4 = true;
    support.ipv6 = routes->ipv6 && run_probe(kProbeV6).has_value();
    support.any_target = routes->routing != ns::ReplyRouting::kMarkOnly;
    support.backend = describe(*routes) + (support.ipv6 ? "" : ", IPv4 only");
    return support;
}

SourceIpSetup SourceIpSetup::begin(const ns::TargetNamespaces& target,
                                   const SourceIpRequest& request) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        return SourceIpSetup(none(errno_error(errno, "pipe")));
    }
    sys::Fd reader(ends[0]);
    const sys::Fd writer(ends[1]);
    const pid_t parent = ::getpid();
    const Result<pid_t> pid = sys::clone_process(0);
    if (!pid) {
        return SourceIpSetup(none(pid.error()));
    }
    if (*pid == 0) {
        const auto done = set_up_inside(target, routes_for(request), writer, parent);
        if (!done) {
            const std::string why = encode(none(done.error())).substr(0, kMaxReport);
            [[maybe_unused]] const auto told = ::write(writer.number(), why.data(), why.size());
        }
        ::_exit(0);
    }
    return {*pid, std::move(reader)};
}

SourceIpSetup::SourceIpSetup(SourceIpSetup&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      report_(std::move(other.report_)),
      outcome_(std::move(other.outcome_)) {}

SourceIpSetup::~SourceIpSetup() {
    end();
}

void SourceIpSetup::end() {
    if (pid_ != 0) {
        sys::kill_hard(pid_);
        static_cast<void>(sys::wait_for_exit(std::exchange(pid_, 0)));
    }
    report_.reset();
}

Result<SourceIpSupport> SourceIpSetup::collect() {
    TRY(wait_for(report_, POLLIN, sys::Deadline::after(kSetupPatience)));
    const std::string report = TRY(sys::read_all(report_, "the report on source IP"));
    if (report.empty()) {
        return fail("the process that sets it up was killed");
    }
    return decode(report);
}

const SourceIpSupport& SourceIpSetup::outcome() {
    if (report_.valid()) {
        const Result<SourceIpSupport> collected = collect();
        outcome_ = collected ? *collected : none(collected.error());
        end();
    }
    return outcome_;
}

}  // namespace rk::drivers
