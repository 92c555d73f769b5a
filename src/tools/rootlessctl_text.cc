// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlessctl_text.h"

#include "base/text.h"
#include "tools/rootlessctl.h"

#include <algorithm>
#include <array>

namespace rk::tools {

namespace {

constexpr std::size_t kColumnGap = 4;

struct HelpRow {
    std::string left;
    std::string right;
};

std::string aligned(const std::vector<HelpRow>& rows) {
    std::size_t width = 0;
    for (const HelpRow& row : rows) {
        width = std::max(width, row.left.size());
    }
    std::string text;
    for (const HelpRow& row : rows) {
        text += fmt::format("   {:<{}}  {}\n", row.left, width, row.right);
    }
    return text;
}

std::vector<HelpRow> flag_rows(std::span<const FlagDefinition> flags) {
    std::vector<HelpRow> rows;
    for (const FlagDefinition& flag : flags) {
        std::string left = fmt::format("--{}", flag.name);
        left += flag.type == FlagType::kBool ? "" : " value";
        left += flag.alias.empty() ? "" : fmt::format(", -{}", flag.alias);
        const bool shows = flag.show_default && !flag.initial.empty();
        rows.push_back({std::move(left),
                        fmt::format("{}{}", flag.help,
                                    shows ? fmt::format(" (default: {})", flag.initial) : "")});
    }
    return rows;
}

std::string port_label(const api::PortStats& port) {
    if (port.spec.proto.empty()) {
        return "(removed)";
    }
    const bool v6 = port.spec.parent_ip.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}/{}", v6 ? "[" : "", port.spec.parent_ip, v6 ? "]" : "",
                       api::parent_port_text(port.spec), port.spec.proto);
}

const model::PortCounters* counters_of(const api::Stats* stats, int id) {
    if (stats == nullptr) {
        return nullptr;
    }
    for (const api::PortStats& port : stats->ports) {
        if (port.counters.id == id) {
            return &port.counters;
        }
    }
    return nullptr;
}

std::string network_lines(const model::GatewayStats& n) {
    return fmt::format(
        "Network: {} bytes out, {} in\n"
        "  TCP: {} opened, {} held, {} refused, {} unreachable, {} timed out, {} dropped\n"
        "  UDP: {} flows, {} opened, {} datagrams dropped\n"
        "  DNS: {} over UDP, {} over TCP, {} failed\n"
        "  Echo: {} sent, {} answered, {} lost\n"
        "  Egress rules: {} denied\n",
        short_number(static_cast<double>(n.bytes_out)),
        short_number(static_cast<double>(n.bytes_in)), n.tcp_opened, n.held_syns, n.tcp_refused,
        n.tcp_unreachable, n.tcp_timed_out, n.syn_dropped, n.udp_flows, n.udp_opened, n.udp_dropped,
        n.dns_udp, n.dns_tcp, n.dns_failed, n.echo_sent, n.echo_answered, n.echo_lost, n.denied);
}

// What a counter grew by in a second; it starts anew with the relay process.
std::string rate(std::uint64_t now, std::uint64_t before, double seconds) {
    const double grown = now >= before ? static_cast<double>(now - before) : 0;
    return short_number(seconds > 0 ? grown / seconds : 0);
}

std::vector<std::string> rates(const api::PortStats& port, const api::Stats* before,
                               double seconds) {
    const model::PortCounters* old = counters_of(before, port.counters.id);
    const model::PortCounters& base = old == nullptr ? port.counters : *old;
    return {rate(port.counters.accepted, base.accepted, seconds),
            rate(port.counters.bytes_in, base.bytes_in, seconds),
            rate(port.counters.bytes_out, base.bytes_out, seconds)};
}

std::string health_line(const model::RelayHealth& relay) {
    if (!relay.running) {
        return "Relay: not running\n";
    }
    if (relay.fd_limit == 0) {  // slirp4netns or pasta, which serve ports without counting
        return fmt::format("Helper: process {}, {} restarts; it counts nothing\n", relay.pid,
                           relay.restarts);
    }
    return fmt::format(
        "Relay: process {}, {} restarts, {} connections, {} UDP flows, {} of {} file descriptors\n",
        relay.pid, relay.restarts, relay.open_connections, relay.udp_flows, relay.open_fds,
        relay.fd_limit);
}

}  // namespace

std::string render_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size() + kColumnGap);
        }
    }
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += fmt::format("{:<{}}", row[i], widths[i]);
        }
        text += '\n';
    }
    return text;
}

std::string render_ports(const std::vector<api::PortRecord>& ports) {
    std::vector<std::vector<std::string>> rows = {
        {"ID", "PROTO", "PARENTIP", "PARENTPORT", "CHILDIP", "CHILDPORT"}};
    for (const api::PortRecord& port : ports) {
        rows.push_back({fmt::format("{}", port.id), port.spec.proto, port.spec.parent_ip,
                        api::parent_port_text(port.spec), port.spec.child_ip,
                        api::child_port_text(port.spec)});
    }
    return render_table(rows);
}

std::string render_egress(const std::vector<api::EgressRecord>& rules) {
    std::vector<std::vector<std::string>> rows = {{"ID", "ACTION", "RULE", "SOURCE", "HITS"}};
    for (const api::EgressRecord& rule : rules) {
        rows.push_back({fmt::format("{}", rule.id), rule.action, rule.rule, rule.source,
                        fmt::format("{}", rule.hits)});
    }
    return render_table(rows);
}

std::string render_info(const api::Info& info) {
    std::string text = fmt::format(
        "- REST API version: {}\n- Implementation version: {}\n- State Directory: {}\n"
        "- Child PID: {}\n",
        info.api_version, info.version, info.state_dir, info.child_pid);
    if (info.network) {
        text += fmt::format("- Network Driver: {}\n  - DNS: [{}]\n", info.network->driver,
                            join(info.network->dns, " "));
        if (!info.network->child_ip.empty()) {
            text += fmt::format("  - IP: {}\n", info.network->child_ip);
        }
        if (info.helper && (!info.helper->running || info.helper->restarts > 0)) {
            text += fmt::format("  - Helper: {}, started again {} times\n",
                                info.helper->running ? "running" : "not running",
                                info.helper->restarts);
        }
        for (const auto& [key, value] : info.network->extra) {
            text += fmt::format("  - {}: {}\n", key, value);
        }
    }
    if (info.port) {
        text += fmt::format("- Port Driver: {}\n  - Supported protocols: [{}]\n", info.port->driver,
                            join(info.port->protos, " "));
        for (const auto& [key, value] : info.port->extra) {
            text += fmt::format("  - {}: {}\n", key, value);
        }
    }
    return text;
}

std::string short_number(double value) {
    constexpr std::array<std::string_view, 5> kUnits = {"", "k", "M", "G", "T"};
    constexpr double kStep = 1000;
    std::size_t unit = 0;
    // 999.5 would print as 1000.
    while (value >= 999.5 && unit + 1 < kUnits.size()) {
        value /= kStep;
        ++unit;
    }
    const bool decimal = unit > 0 && value < 9.95;
    return fmt::format("{:.{}f}{}", value, decimal ? 1 : 0, kUnits.at(unit));
}

std::string render_stats(const api::Stats& stats, const api::Stats* before, double seconds) {
    std::string text = health_line(stats.relay);
    if (stats.network) {
        text += network_lines(*stats.network);
    }
    std::vector<std::vector<std::string>> rows = {
        {"ID", "PORT", "ACTIVE", "ACCEPTED", "REFUSED", "ERRORS", "DROPPED", "IN", "OUT"}};
    if (before != nullptr) {
        rows[0].insert(rows[0].end(), {"ACCEPTED/S", "IN/S", "OUT/S"});
    }
    for (const api::PortStats& port : stats.ports) {
        const model::PortCounters& c = port.counters;
        std::vector<std::string> row = {fmt::format("{}", c.id), port_label(port)};
        for (const std::uint64_t value : {c.active, c.accepted, c.refused, c.errors, c.dropped}) {
            row.push_back(fmt::format("{}", value));
        }
        row.push_back(short_number(static_cast<double>(c.bytes_in)));
        row.push_back(short_number(static_cast<double>(c.bytes_out)));
        if (before != nullptr) {
            for (std::string& one : rates(port, before, seconds)) {
                row.push_back(std::move(one));
            }
        }
        rows.push_back(std::move(row));
    }
    return text + render_table(rows);
}

std::string render_control_help(std::string_view version) {
    std::vector<HelpRow> commands;
    for (const ControlCommand& command : control_commands()) {
        commands.push_back({std::string(command.name), std::string(command.summary)});
    }
    commands.push_back({"help, h", "print this text, or the help of a command"});
    return fmt::format(
        "NAME:\n   rootlessctl - look after a running rootlesskit\n\n"
        "USAGE:\n   rootlessctl [global options] command [command options] [arguments...]\n\n"
        "VERSION:\n   {}\n\nCOMMANDS:\n{}\nGLOBAL OPTIONS:\n{}",
        version, aligned(commands), aligned(flag_rows(control_flags())));
}

std::string render_command_help(std::string_view command) {
    for (const ControlCommand& known : control_commands()) {
        if (known.name == command) {
            return fmt::format(
                "NAME:\n   rootlessctl {0} - {1}\n\nUSAGE:\n   rootlessctl {0} [command "
                "options]{2}{3}"
                "\n\nOPTIONS:\n{4}",
                known.name, known.summary, known.arguments.empty() ? "" : " ", known.arguments,
                aligned(flag_rows(known.flags)));
        }
    }
    return {};
}

}  // namespace rk::tools
