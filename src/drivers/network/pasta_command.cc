// SPDX-License-Identifier: Apache-2.0
//
// --disable-host-loopback: pasta has two ways from the namespace to the host's loopback. It
// translates the gateway's address (or any other it is told) to 127.0.0.1 or ::1 of the host, and
// it listens on loopback addresses of the namespace for ports that somebody listens on outside
// ("splice path", by default for all of them). The first is switched off by --no-map-gw, which
// leaves no other address either: others are only translated on demand. The second ends with
// --tcp-ns=none --udp-ns=none. --no-splice would do for both directions and take the published
// ports of loopback addresses with it.
#include "drivers/network/pasta_command.h"

#include "model/pasta.h"

#include <fmt/format.h>

namespace rk::drivers {

namespace {

using model::PortDriver;

using Words = std::vector<std::string>;

void add_addresses(Words& words, const PastaRequest& request) {
    const model::NetworkSetup& setup = request.setup;
    words.push_back(fmt::format("--ns-ifname={}", setup.device));
    words.push_back(fmt::format("--mtu={}", setup.mtu));
    words.emplace_back("--config-net");
    words.push_back(fmt::format("--address={}", setup.address.text()));
    words.push_back(fmt::format("--netmask={}", setup.prefix));
    words.push_back(fmt::format("--gateway={}", setup.gateway.text()));
    words.push_back(fmt::format("--dns-forward={}", setup.dns.front().text()));
    if (setup.ipv6) {
        words.push_back(fmt::format("--address={}", model::kPastaIpv6.address));
        words.push_back(fmt::format("--gateway={}", model::kPastaIpv6.gateway));
        words.push_back(fmt::format("--dns-forward={}", model::kPastaIpv6.name_server));
    }
}

Result<void> add_host_loopback(Words& words, const PastaRequest& request) {
    if (!request.options.disable_host_loopback) {
        return {};
    }
    if (!request.features.no_map_gw || !request.features.forward_outbound) {
        return fail("this version of pasta does not support --disable-host-loopback");
    }
    words.emplace_back("--no-map-gw");
    return {};
}

Result<void> add_ports(Words& words, const PastaRequest& request) {
    const PortDriver driver = request.options.port_driver;
    const std::string_view which = driver == PortDriver::kImplicit ? "auto" : "none";
    words.push_back(fmt::format("--tcp-ports={}", which));
    words.push_back(fmt::format("--udp-ports={}", which));
    if (request.options.disable_host_loopback) {
        words.emplace_back("--tcp-ns=none");
        words.emplace_back("--udp-ns=none");
    }
    // What pesto publishes goes to the namespace's address (drivers/port/pesto.h).
    if (request.features.host_lo_to_ns_lo && driver != PortDriver::kPesto) {
        words.emplace_back("--host-lo-to-ns-lo");
    }
    if (driver == PortDriver::kPesto) {
        if (!request.features.control_socket) {
            return fail(
                "port driver \"pesto\" needs passt 2026_05_07 or newer: {} has no --conf-path",
                request.program);
        }
        words.push_back(fmt::format("--conf-path={}", request.control_socket));
    }
    return {};
}

void add_process(Words& words, const PastaRequest& request) {
    words.emplace_back("--foreground");
    words.push_back(fmt::format("--pid={}", request.ready_fifo));
    if (request.as_root) {
        words.emplace_back("--runas=0:0");  // else it becomes "nobody", who may not enter
    }
}

void add_target(Words& words, const PastaRequest& request) {
    if (request.detached_netns.empty()) {
        words.push_back(fmt::format("{}", request.child));
    } else {
        words.push_back(fmt::format("--userns=/proc/{}/ns/user", request.child));
        words.push_back(
            fmt::format("--netns=/proc/{}/root{}", request.child, request.detached_netns));
    }
}

}  // namespace

PastaFeatures parse_pasta_help(std::string_view text) {
    const auto has = [&](std::string_view option) {
        return text.find(option) != std::string_view::npos;
    };
    return {.config_net = has("--config-net"),
            .foreground = has("--foreground"),
            .pid_file = has("--pid "),
            .stderr_option = has("--stderr"),
            .no_map_gw = has("--no-map-gw"),
            .forward_outbound = has("--tcp-ns") && has("--udp-ns"),
            .host_lo_to_ns_lo = has("--host-lo-to-ns-lo"),
            .control_socket = has("--conf-path")};
}

Result<std::vector<std::string>> pasta_command(const PastaRequest& request) {
    const PastaFeatures& has = request.features;
    if (!has.config_net || !has.foreground || !has.pid_file) {
        return fail("{} is no pasta, or older than 2023: it has no {}", request.program,
                    !has.config_net   ? "--config-net"
                    : !has.foreground ? "--foreground"
                                      : "--pid");
    }
    Words words{request.program};
    if (has.stderr_option) {
        words.emplace_back("--stderr");
    }
    add_addresses(words, request);
    TRY(add_host_loopback(words, request));
    if (!request.setup.ipv6) {
        words.emplace_back("--ipv4-only");
    }
    TRY(add_ports(words, request));
    add_process(words, request);
    add_target(words, request);
    return words;
}

}  // namespace rk::drivers
