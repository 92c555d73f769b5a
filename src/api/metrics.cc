// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include <array>
#include <cstdint>
#include <span>

namespace rk::api {

namespace {

using model::GatewayStats;
using model::PortCounters;
using model::RelayHealth;

template <typename Source>
struct Metric {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    std::uint64_t Source::*value;
};

constexpr std::array<Metric<PortCounters>, 7> kPortMetrics = {{
    {"rootlesskit_port_accepted_total", "counter", "TCP connections accepted, or UDP flows made.",
     &PortCounters::accepted},
    {"rootlesskit_port_active", "gauge", "TCP connections or UDP flows that are open now.",
     &PortCounters::active},
    {"rootlesskit_port_refused_total", "counter", "Connections the service inside did not accept.",
     &PortCounters::refused},
    {"rootlesskit_port_errors_total", "counter", "Other failures of connections and flows.",
     &PortCounters::errors},
    {"rootlesskit_port_received_bytes_total", "counter", "Bytes from clients to the service.",
     &PortCounters::bytes_in},
    {"rootlesskit_port_sent_bytes_total", "counter", "Bytes from the service to clients.",
     &PortCounters::bytes_out},
    {"rootlesskit_port_dropped_total", "counter", "Datagrams and connections dropped at a limit.",
     &PortCounters::dropped},
}};

constexpr std::array<Metric<RelayHealth>, 5> kRelayMetrics = {{
    {"rootlesskit_relay_restarts_total", "counter", "Times the relay process was started again.",
     &RelayHealth::restarts},
    {"rootlesskit_relay_open_connections", "gauge", "TCP connections open in the relay process.",
     &RelayHealth::open_connections},
    {"rootlesskit_relay_udp_flows", "gauge", "UDP flows open in the relay process.",
     &RelayHealth::udp_flows},
    {"rootlesskit_relay_open_fds", "gauge", "File descriptors the relay process has open.",
     &RelayHealth::open_fds},
    {"rootlesskit_relay_max_fds", "gauge", "File descriptors the relay process may open.",
     &RelayHealth::fd_limit},
}};

constexpr std::array<Metric<GatewayStats>, model::kGatewayCounters> kNetworkMetrics = {{
    {"rootlesskit_network_held_syns", "gauge", "Connections that wait for their destination.",
     &GatewayStats::held_syns},
    {"rootlesskit_network_tcp_opened_total", "counter", "TCP connections to the outside.",
     &GatewayStats::tcp_opened},
    {"rootlesskit_network_tcp_refused_total", "counter", "TCP connections that were refused.",
     &GatewayStats::tcp_refused},
    {"rootlesskit_network_tcp_unreachable_total", "counter",
     "TCP connections to what cannot be reached.", &GatewayStats::tcp_unreachable},
    {"rootlesskit_network_tcp_timed_out_total", "counter", "TCP connections nobody answered.",
     &GatewayStats::tcp_timed_out},
    {"rootlesskit_network_syns_dropped_total", "counter", "TCP connections dropped at a limit.",
     &GatewayStats::syn_dropped},
    {"rootlesskit_network_udp_flows", "gauge", "UDP flows to the outside that are open now.",
     &GatewayStats::udp_flows},
    {"rootlesskit_network_udp_opened_total", "counter", "UDP flows to the outside.",
     &GatewayStats::udp_opened},
    {"rootlesskit_network_udp_dropped_total", "counter", "Datagrams that were dropped.",
     &GatewayStats::udp_dropped},
    {"rootlesskit_network_dns_udp_total", "counter", "DNS queries over UDP.",
     &GatewayStats::dns_udp},
    {"rootlesskit_network_dns_tcp_total", "counter", "DNS connections over TCP.",
     &GatewayStats::dns_tcp},
    {"rootlesskit_network_dns_failed_total", "counter", "DNS queries nobody answered.",
     &GatewayStats::dns_failed},
    {"rootlesskit_network_echo_sent_total", "counter", "Echo requests to the outside.",
     &GatewayStats::echo_sent},
    {"rootlesskit_network_echo_answered_total", "counter", "Echo requests that were answered.",
     &GatewayStats::echo_answered},
    {"rootlesskit_network_echo_lost_total", "counter", "Echo requests that were not.",
     &GatewayStats::echo_lost},
    {"rootlesskit_network_denied_total", "counter", "Connections, flows and echo requests denied.",
     &GatewayStats::denied},
    {"rootlesskit_network_sent_bytes_total", "counter", "Bytes from the namespace.",
     &GatewayStats::bytes_out},
    {"rootlesskit_network_received_bytes_total", "counter", "Bytes to the namespace.",
     &GatewayStats::bytes_in},
}};

std::string label_value(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\n') {
            escaped += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') {
            escaped += '\\';
        }
        escaped += c;
    }
    return escaped;
}

std::string heading(std::string_view name, std::string_view type, std::string_view help) {
    return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

std::string info_line(const Info& info) {
    return heading("rootlesskit_info", "gauge", "What is running; always 1.") +
           fmt::format(
               "rootlesskit_info{{version=\"{}\",api_version=\"{}\",network_driver=\"{}\","
               "port_driver=\"{}\"}} 1\n",
               label_value(info.version), label_value(info.api_version),
               label_value(info.network ? info.network->driver : ""),
               label_value(info.port ? info.port->driver : ""));
}

template <typename Source, std::size_t kCount>
std::string plain_lines(const std::array<Metric<Source>, kCount>& metrics, const Source& source) {
    std::string text;
    for (const Metric<Source>& metric : metrics) {
        text += heading(metric.name, metric.type, metric.help);
        text += fmt::format("{} {}\n", metric.name, source.*metric.value);
    }
    return text;
}

std::string port_labels(const PortStats& port) {
    return fmt::format(
        "id=\"{}\",proto=\"{}\",parent_ip=\"{}\",parent_port=\"{}\",child_ip=\"{}\","
        "child_port=\"{}\"",
        port.counters.id, label_value(port.spec.proto), label_value(port.spec.parent_ip),
        parent_port_text(port.spec), label_value(port.spec.child_ip), child_port_text(port.spec));
}

std::string port_lines(const std::vector<PortStats>& ports) {
    std::vector<std::string> labels;
    labels.reserve(ports.size());
    for (const PortStats& port : ports) {
        labels.push_back(port_labels(port));
    }
    std::string text;
    for (const Metric<PortCounters>& metric : kPortMetrics) {
        text += heading(metric.name, metric.type, metric.help);
        for (std::size_t i = 0; i < ports.size(); ++i) {
            text += fmt::format("{}{{{}}} {}\n", metric.name, labels[i],
                                ports[i].counters.*metric.value);
        }
    }
    return text;
}

}  // namespace

std::string render_metrics(const Info& info, const Stats* stats) {
    std::string text = info_line(info);
    if (stats == nullptr) {
        return text;
    }
    text += heading("rootlesskit_relay_running", "gauge", "Whether the relay process runs.");
    text += fmt::format("rootlesskit_relay_running {}\n", stats->relay.running ? 1 : 0);
    text += plain_lines(kRelayMetrics, stats->relay);
    if (stats->network) {
        text += plain_lines(kNetworkMetrics, *stats->network);
    }
    return text + port_lines(stats->ports);
}

}  // namespace rk::api
