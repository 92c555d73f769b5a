// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "model/endpoint.h"
#include "tools/docker_proxy.h"

#include <algorithm>
#include <array>

namespace rk::tools {

namespace {

using enum FlagType;

constexpr auto kFlags = std::to_array<FlagDefinition>({
    {"container-ip", "", kString, "", "", "address of the container"},
    {"container-port", "", kInt, "-1", "", "port of the container"},
    {"host-ip", "", kString, "", "", "address on the host"},
    {"host-port", "", kInt, "-1", "", "port on the host"},
    {"proto", "", kString, "tcp", "", "protocol: tcp, udp or sctp"},
    {"use-listen-fd", "", kBool, "false", "", "descriptor 4 is the socket to listen on"},
    {"help", "h", kBool, "false", "", "print this text", false},
});

std::string type_word(FlagType type) {
    return type == kInt ? " int" : type == kString ? " string" : "";
}

bool is_v6(std::string_view ip) {
    const auto address = model::IpAddress::parse(ip);
    return address && !address->is_v4();
}

std::string api_proto(const ProxyRequest& request) {
    if (request.proto.ends_with('4') || request.proto.ends_with('6')) {
        return request.proto;
    }
    return request.proto + (is_v6(request.host_ip) ? "6" : "4");
}

Result<std::string> child_ip(const ProxyRequest& request, const api::Info& info) {
    if (!info.port->disallow_loopback_child_ip) {
        return is_v6(request.host_ip) ? "::1" : "127.0.0.1";
    }
    if (!info.network || info.network->child_ip.empty()) {
        return fail(
            "RootlessKit port driver {} needs the child's IP, but there is no network driver "
            "that tells it",
            quote(info.port->driver));
    }
    return info.network->child_ip;
}

std::vector<std::string> real_arguments(const ProxyRequest& request, const std::string& listen_ip) {
    std::vector<std::string> arguments = {
        "-container-ip",   request.container_ip,
        "-container-port", fmt::format("{}", request.container_port),
        "-host-ip",        listen_ip,
        "-host-port",      fmt::format("{}", request.host_port),
        "-proto",          request.proto};
    if (request.use_listen_fd) {
        arguments.emplace_back("-use-listen-fd");
    }
    return arguments;
}

}  // namespace

std::span<const FlagDefinition> docker_proxy_flags() {
    return kFlags;
}

ProxyRequest proxy_request(const FlagSet& flags) {
    return {flags.text("container-ip"), flags.integer("container-port"),
            flags.text("host-ip"),      flags.integer("host-port"),
            flags.text("proto"),        flags.boolean("use-listen-fd")};
}

std::string docker_proxy_usage() {
    std::string text = "Usage of rootlesskit-docker-proxy:\n";
    for (const FlagDefinition& flag : kFlags) {
        const bool shows = flag.show_default && !flag.initial.empty() && flag.type != kBool;
        const std::string initial =
            flag.type == kString ? quote(flag.initial) : std::string(flag.initial);
        text += fmt::format("  -{}{}\n    \t{}{}\n", flag.name, type_word(flag.type), flag.help,
                            shows ? fmt::format(" (default {})", initial) : "");
    }
    return text;
}

Result<ProxyPlan> plan_proxy(const ProxyRequest& request, const api::Info& info) {
    ProxyPlan plan;
    if (!info.port || info.port->driver == "none" || info.port->driver == "implicit") {
        return plan;
    }
    const std::string proto = api_proto(request);
    const auto& protos = info.port->protos;
    if (std::find(protos.begin(), protos.end(), proto) == protos.end()) {
        plan.action = ProxyPlan::Action::kIgnore;
        const bool v6 = is_v6(request.host_ip);
        plan.warning = fmt::format(
            "protocol {} is not supported by the RootlessKit port driver {}, discarding request "
            "for "
            "{}",
            quote(proto), quote(info.port->driver),
            quote(fmt::format("{}{}{}:{}", v6 ? "[" : "", request.host_ip, v6 ? "]" : "",
                              request.host_port)));
        return plan;
    }
    plan.action = ProxyPlan::Action::kPublish;
    plan.spec.proto = proto;
    plan.spec.parent_ip = request.host_ip;
    plan.spec.parent_port = request.host_port;
    plan.spec.child_ip = TRY(child_ip(request, info));
    plan.spec.child_port = request.host_port;
    plan.arguments = real_arguments(request, plan.spec.child_ip);
    return plan;
}

}  // namespace rk::tools
