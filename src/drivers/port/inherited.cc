// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/inherited.h"

#include "base/text.h"
#include "sys/sockaddr.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rk::drivers {

namespace {

constexpr int kFirstDescriptor = 3;              // SD_LISTEN_FDS_START
constexpr std::uint64_t kMaxDescriptors = 1024;  // more sockets than any unit file lists

std::optional<int> option(int fd, int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(fd, level, name, &value, &length) < 0) {
        return std::nullopt;
    }
    return value;
}

// Nothing where it cannot serve as a published port.
std::optional<InheritedSocket> examine(int fd, std::string_view name) {
    const auto domain = option(fd, SOL_SOCKET, SO_DOMAIN);
    const auto type = option(fd, SOL_SOCKET, SO_TYPE);
    const bool stream = type == SOCK_STREAM;
    // NOLINTNEXTLINE(misc-redundant-expression): they are two
    if ((domain != AF_INET && domain != AF_INET6) || (!stream && type != SOCK_DGRAM) ||
        (stream && option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)) {
        return std::nullopt;
    }
    const auto local = sys::local_endpoint(sys::FdRef(fd));
    if (!local) {
        return std::nullopt;
    }
    InheritedSocket found;
    found.name = name;
    found.kind = stream ? SocketKind::kTcp : SocketKind::kUdp;
    found.family = SocketFamily::kIpv4;
    if (domain == AF_INET6) {
        found.family = option(fd, SOL_IPV6, IPV6_V6ONLY) == 1 ? SocketFamily::kIpv6Only
                                                              : SocketFamily::kDualStack;
    }
    found.local = *local;
    found.socket = sys::Fd(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstDescriptor));
    return found.socket.valid() ? std::optional(std::move(found)) : std::nullopt;
}

bool serves(const InheritedSocket& socket, std::string_view proto) {
    const auto kind = socket_kind(proto);
    const bool v4 = socket.family == SocketFamily::kIpv4;
    return kind && *kind == socket.kind && !(proto.ends_with('4') && !v4) &&
           !(proto.ends_with('6') && v4);
}

}  // namespace

std::vector<InheritedSocket> inherited_sockets(const sys::Environment& environment, pid_t self) {
    const auto pid = parse_decimal(environment.get("LISTEN_PID").value_or(""));
    const auto count = parse_decimal(environment.get("LISTEN_FDS").value_or(""), kMaxDescriptors);
    std::vector<InheritedSocket> sockets;
    if (!pid || *pid != static_cast<std::uint64_t>(self) || !count) {
        return sockets;
    }
    const auto names = split(environment.get("LISTEN_FDNAMES").value_or(""), ':');
    for (std::size_t i = 0; i < *count; ++i) {
        const std::string_view name = i < names.size() ? names[i] : "";
        auto found = examine(kFirstDescriptor + static_cast<int>(i), name);
        if (found) {
            found->place = static_cast<std::uint16_t>(i);
            sockets.push_back(std::move(*found));
        }
    }
    return sockets;
}

Result<const InheritedSocket*> find_inherited(const std::vector<InheritedSocket>& sockets,
                                              const model::PortSpec& spec) {
    const auto found =
        std::find_if(sockets.begin(), sockets.end(), [&](const InheritedSocket& one) {
            return one.name == spec.inherited_name() && serves(one, spec.proto());
        });
    if (found == sockets.end()) {
        return fail("no inherited socket {} for {}", quote(spec.inherited_name()), spec.proto());
    }
    return &*found;
}

const InheritedSocket* match_inherited(const std::vector<InheritedSocket>& sockets,
                                       const model::PortSpec& spec, std::uint16_t port) {
    if (sockets.empty() || port == 0) {
        return nullptr;
    }
    const auto written = model::IpAddress::parse(spec.parent_ip());
    const auto plan = plan_listen(spec.proto(), spec.parent_ip(), host_has_ipv6());
    const auto found =
        std::find_if(sockets.begin(), sockets.end(), [&](const InheritedSocket& one) {
            return plan && one.local.port == port && serves(one, spec.proto()) &&
                   (one.local.address == plan->address || one.local.address == written);
        });
    return found == sockets.end() ? nullptr : &*found;
}

}  // namespace rk::drivers
