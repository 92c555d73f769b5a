// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include <array>
#include <cstdint>
#include <span>

namespace rk::api {

namespace {

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

std::string port_labels(const PortStats& port) {
    return fmt::format(
        "id=\"{}\",proto=\"{}\",parent_ip=\"{}\",parent_port=\"{}\",child_ip=\"{}\","
        "child_port=\"{}\"",
        port.counters.id, label_value(port.spec.proto), label_value(port.spec.parent_ip),
        parent_port_text(port.spec), label_value(port.spec.child_ip), child_port_text(port.spec));
}

std::string port_lines(const std::vector<PortStats>& ports) {
    std::vector<std::string> labels;
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
    for (const Metric<RelayHealth>& metric : kRelayMetrics) {
        text += heading(metric.name, metric.type, metric.help);
        text += fmt::format("{} {}\n", metric.name, stats->relay.*metric.value);
    }
    return text + port_lines(stats->ports);
}

}  // namespace rk::api
