// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/listen.h"

#include "base/text.h"
#include "sys/file.h"
#include "sys/sockaddr.h"

#include <cerrno>
#include <limits>
#include <optional>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::drivers {

namespace {

// listen(2) cuts this down to net.core.somaxconn.
constexpr int kBacklog = std::numeric_limits<int>::max();
constexpr std::uint32_t kDefaultFirstUnprivileged = 1024;
constexpr const char* kUnprivilegedPortFile = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

Result<void> check(int returned, std::string_view what) {
    if (returned < 0) {
        return fail(errno_error(errno, what));
    }
    return {};
}

Result<void> switch_on(sys::FdRef socket, int level, int option, int value = 1) {
    return check(::setsockopt(socket.number(), level, option, &value, sizeof value), "setsockopt");
}

int family_of(SocketFamily family) {
    return family == SocketFamily::kIpv4 ? AF_INET : AF_INET6;
}

Result<sys::Fd> open_socket(const ListenPlan& plan) {
    const int type = plan.kind == SocketKind::kTcp ? SOCK_STREAM : SOCK_DGRAM;
    sys::Fd socket(::socket(family_of(plan.family), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    TRY(check(socket.number(), "socket"));
    return socket;
}

Result<sys::Fd> bind_socket(const ListenPlan& plan, std::uint16_t port) {
    sys::Fd socket = TRY(open_socket(plan));
    if (plan.family != SocketFamily::kIpv4) {
        TRY(switch_on(socket, SOL_IPV6, IPV6_V6ONLY,
                      plan.family == SocketFamily::kIpv6Only ? 1 : 0));
    }
    if (plan.kind == SocketKind::kTcp) {
        TRY(switch_on(socket, SOL_SOCKET, SO_REUSEADDR));
    }
    TRY(prepare_for_relay(socket, plan.kind));
    const auto name = sys::to_sockaddr({plan.address, port}, family_of(plan.family));
    if (!name) {
        return fail(errno_error(EAFNOSUPPORT, "bind"));
    }
    TRY(check(::bind(socket.number(), name->get(), name->length), "bind"));
    if (plan.kind == SocketKind::kTcp) {
        TRY(check(::listen(socket.number(), kBacklog), "listen"));
    }
    return socket;
}

// "0.0.0.0:80", "[::1]:80", ":80", as Go prints what it was asked for.
std::string shown_address(std::string_view ip, std::uint16_t port) {
    const auto address = model::IpAddress::parse(ip);
    return address ? model::Endpoint{*address, port}.text() : fmt::format(":{}", port);
}

std::uint32_t first_unprivileged_port() {
    const auto text = sys::read_file(kUnprivilegedPortFile);
    const auto number = parse_decimal(text ? trim(*text) : "", 65536);
    return number ? static_cast<std::uint32_t>(*number) : kDefaultFirstUnprivileged;
}

}  // namespace

Result<SocketKind> socket_kind(std::string_view proto) {
    if (proto.starts_with("tcp")) {
        return SocketKind::kTcp;
    }
    if (proto.starts_with("udp")) {
        return SocketKind::kUdp;
    }
    return fail("unsupported port protocol {}", proto);
}

Result<ListenPlan> plan_listen(std::string_view proto, std::string_view ip, bool host_has_ipv6) {
    ListenPlan plan;
    plan.kind = TRY(socket_kind(proto));
    const bool only_v4 = proto.ends_with('4');
    const bool only_v6 = proto.ends_with('6');
    const auto address = model::IpAddress::parse(ip);
    if (address && ((only_v4 && !address->is_v4()) || (only_v6 && address->is_v4()))) {
        return fail("listen {}: address {}: no suitable address found", proto, ip);
    }
    const bool wildcard = !address || address->is_unspecified();
    if (only_v6) {
        plan.family = SocketFamily::kIpv6Only;
        plan.address = address.value_or(model::IpAddress());
    } else if (only_v4 || (wildcard && !host_has_ipv6)) {
        plan.family = SocketFamily::kIpv4;
        plan.address = wildcard ? model::IpAddress::v4(0) : *address;
    } else if (!wildcard) {
        plan.family = address->is_v4() ? SocketFamily::kIpv4 : SocketFamily::kDualStack;
        plan.address = *address;
    }
    return plan;
}

bool host_has_ipv6() {
    const ListenPlan plan{SocketKind::kTcp, SocketFamily::kIpv6Only,
                          model::IpAddress::parse("::1").value_or(model::IpAddress())};
    const auto socket = open_socket(plan);
    const auto name = sys::to_sockaddr({plan.address, 0});
    return socket && ::bind(socket->number(), name.get(), name.length) == 0;
}

Result<void> prepare_for_relay(sys::FdRef socket, SocketKind kind) {
    const int flags = ::fcntl(socket.number(), F_GETFL);
    TRY(check(::fcntl(socket.number(), F_SETFL, flags | O_NONBLOCK), "fcntl"));
    if (kind != SocketKind::kUdp) {
        return {};
    }
    int domain = 0;
    socklen_t length = sizeof domain;
    TRY(check(::getsockopt(socket.number(), SOL_SOCKET, SO_DOMAIN, &domain, &length),
              "getsockopt"));
    // A dual-stack socket tells IPv4 addresses v4-mapped by the IPv6 option (ipv6(7)).
    return domain == AF_INET ? switch_on(socket, SOL_IP, IP_PKTINFO)
                             : switch_on(socket, SOL_IPV6, IPV6_RECVPKTINFO);
}

Result<Listener> listen_on(const model::PortSpec& spec, std::uint16_t port) {
    const ListenPlan plan = TRY(plan_listen(spec.proto(), spec.parent_ip(), host_has_ipv6()));
    Listener listener;
    listener.socket = TRY_CTX(bind_socket(plan, port), "listen {} {}", spec.proto(),
                              shown_address(spec.parent_ip(), port));
    listener.port = TRY(sys::local_endpoint(listener.socket)).port;
    return listener;
}

std::string privileged_port_text(const PrivilegedPortAdvice& advice) {
    std::string text = fmt::format(
        "cannot expose privileged port {}, you can add 'net.ipv4.ip_unprivileged_port_start={}' to "
        "/etc/sysctl.conf (currently {})",
        advice.port, advice.port, advice.first_unprivileged);
    if (advice.our_own_binary) {
        text += ", or set CAP_NET_BIND_SERVICE on rootlesskit binary";
    }
    return text +
           fmt::format(", or choose a larger port number (>= {})", advice.first_unprivileged);
}

Error explain_privileged_port(Error error, std::uint16_t port, std::string_view argv0) {
    if ((error.code != EACCES && error.code != EPERM) || port == 0) {
        return error;
    }
    PrivilegedPortAdvice advice;
    advice.port = port;
    advice.first_unprivileged = first_unprivileged_port();
    advice.our_own_binary = argv0.substr(argv0.rfind('/') + 1) == "rootlesskit";
    return port < advice.first_unprivileged
               ? std::move(error).with_context(privileged_port_text(advice))
               : error;
}

}  // namespace rk::drivers
