// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlessctl.h"

#include "tools/rootlessctl_text.h"
#include "tools/rootlessctl_watch.h"

#include <gtest/gtest.h>

#include <array>

namespace rk::tools {
namespace {

api::PortRecord record(std::int64_t id, std::string_view spec) {
    return {id, *model::parse_port_fields(spec)};
}

TEST(RootlessctlText, TableOfPorts) {
    EXPECT_EQ(render_ports({}),
              "ID    PROTO    PARENTIP    PARENTPORT    CHILDIP    CHILDPORT    \n");
    EXPECT_EQ(render_ports({record(1, "127.0.0.1:8080:80/tcp"),
                            record(12, "[::1]:8000-8010:[::2]:1-11/udp6")}),
              "ID    PROTO    PARENTIP     PARENTPORT    CHILDIP    CHILDPORT    \n"
              "1     tcp      127.0.0.1    8080                     80           \n"
              "12    udp6     ::1          8000-8010     ::2        1-11         \n");
}

TEST(RootlessctlText, Info) {
    api::Info info;
    info.version = "3.3.0";
    info.state_dir = "/path";
    info.child_pid = 123;
    const std::string head =
        "- REST API version: 1.1.2\n- Implementation version: 3.3.0\n- State Directory: /path\n"
        "- Child PID: 123\n";
    EXPECT_EQ(render_info(info), head);
    info.network =
        model::NetworkInfo{"slirp4netns", {"10.0.2.3"}, "10.0.2.100", false, false, {{"m", "n"}}};
    info.port = drivers::PortDriverInfo{"builtin", {"tcp", "udp"}, false, {{"a", "b"}}};
    EXPECT_EQ(render_info(info), head +
                                     "- Network Driver: slirp4netns\n  - DNS: [10.0.2.3]\n"
                                     "  - IP: 10.0.2.100\n  - m: n\n- Port Driver: builtin\n"
                                     "  - Supported protocols: [tcp udp]\n  - a: b\n");
}

TEST(RootlessctlText, TableOfEgressRules) {
    EXPECT_EQ(render_egress({{1, "deny", "0.0.0.0/0", "flag", 12},
                             {20, "allow", "[2001:db8::/32]:443/tcp", "api", 0}}),
              "ID    ACTION    RULE                       SOURCE    HITS    \n"
              "1     deny      0.0.0.0/0                  flag      12      \n"
              "20    allow     [2001:db8::/32]:443/tcp    api       0       \n");
}

TEST(RootlessctlText, WhatTheNetworkCounted) {
    api::Stats stats;
    EXPECT_EQ(render_stats(stats).find("Network:"), std::string::npos);
    model::GatewayStats& network = stats.network.emplace();
    network.bytes_out = 1200;
    network.tcp_opened = 3;
    network.dns_failed = 4;
    network.denied = 5;
    const std::string text = render_stats(stats);
    EXPECT_NE(text.find("Network: 1.2k bytes out, 0 in\n"
                        "  TCP: 3 opened, 0 held, 0 refused, 0 unreachable, 0 timed out, "
                        "0 dropped\n"
                        "  UDP: 0 flows, 0 opened, 0 datagrams dropped\n"
                        "  DNS: 0 over UDP, 0 over TCP, 4 failed\n"
                        "  Echo: 0 sent, 0 answered, 0 lost\n"
                        "  Egress rules: 5 denied\n"),
              std::string::npos)
        << text;
}

TEST(RootlessctlText, ShortNumbers) {
    const std::array<std::pair<double, std::string_view>, 8> cases = {{{0, "0"},
                                                                       {999, "999"},
                                                                       {999.7, "1.0k"},
                                                                       {1234, "1.2k"},
                                                                       {99'960, "100k"},
                                                                       {999'600, "1.0M"},
                                                                       {34e6, "34M"},
                                                                       {5e15, "5000T"}}};
    for (const auto& [value, text] : cases) {
        EXPECT_EQ(short_number(value), text) << value;
    }
}

TEST(RootlessctlText, StatsAndRates) {
    api::Stats before;
    before.relay.running = true;
    before.relay.pid = 9;
    before.relay.fd_limit = 1024;
    api::PortStats port;
    port.counters.id = 1;
    port.counters.bytes_in = 1000;
    port.spec = *model::parse_port_fields("[::1]:8080:80/tcp");
    before.ports.push_back(port);
    api::Stats now = before;
    now.ports[0].counters.bytes_in = 5000;
    now.ports[0].counters.accepted = 4;
    EXPECT_EQ(
        render_stats(now, &before, 2),
        "Relay: process 9, 0 restarts, 0 connections, 0 UDP flows, 0 of 1024 file descriptors\n"
        "ID    PORT              ACTIVE    ACCEPTED    REFUSED    ERRORS    DROPPED    IN      "
        "OUT    ACCEPTED/S    IN/S    OUT/S    \n"
        "1     [::1]:8080/tcp    0         4           0          0         0          5.0k    "
        "0      2             2.0k    0        \n");
    EXPECT_EQ(render_stats(api::Stats{}).find("Relay: not running\n"), 0U);
    now.relay.fd_limit = 0;
    EXPECT_EQ(render_stats(now).find("Helper: process 9, 0 restarts; it counts nothing\n"), 0U);
}

TEST(RootlessctlWatch, IntervalsAreSecondsInBounds) {
    EXPECT_EQ(parse_interval("1")->count(), 1000);
    EXPECT_EQ(parse_interval("0.25")->count(), 250);
    EXPECT_EQ(parse_interval("3600")->count(), 3600 * 1000);
    for (const std::string_view bad :
         {"", "x", "1s", "-1", "0", "0.01", "3601", "nan", "inf", "1e9"}) {
        EXPECT_FALSE(parse_interval(bad)) << bad;
    }
}

TEST(RootlessctlWatch, TablesAreCutToTheWindow) {
    EXPECT_EQ(fit_window("abc\ndef\n", {3, 80}), "abc\ndef\n");
    EXPECT_EQ(fit_window("abc\ndef\n", {5, 2}), "abc\ndef\n");
    EXPECT_EQ(fit_window("abc\ndef\n", {4, 2}), "abc\n... 1 more lines\n");
    EXPECT_EQ(fit_window("1\n2\n3\n4\n", {4, 80}), "1\n2\n... 2 more lines\n");
    EXPECT_EQ(fit_window("1\n2\n", {1, 80}), "... 2 more lines\n");
}

struct Ending {
    int code;
    std::string out;
    std::string err;
};

Ending run(const std::vector<std::string>& arguments, const sys::Environment& environment = {}) {
    std::vector<std::string> argv = {"rootlessctl"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run_rootlessctl(argv, environment, "3.3.0+x");
    return {code, ::testing::internal::GetCapturedStdout(),
            ::testing::internal::GetCapturedStderr()};
}

TEST(Rootlessctl, HelpAndVersion) {
    EXPECT_EQ(run({"--version"}).out, "rootlessctl version 3.3.0+x\n");
    const Ending help = run({});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.out, render_control_help("3.3.0+x"));
    EXPECT_EQ(run({"help"}).out, help.out);
    EXPECT_EQ(run({"-h"}).out, help.out);
    EXPECT_EQ(run({"help", "list-ports"}).out, render_command_help("list-ports"));
    EXPECT_EQ(run({"list-ports", "--help"}).out, render_command_help("list-ports"));
    for (const std::string_view word :
         {"list-ports", "add-ports", "remove-ports", "info", "stats"}) {
        EXPECT_NE(help.out.find(word), std::string::npos) << word;
        EXPECT_NE(render_command_help(word), "") << word;
    }
}

TEST(Rootlessctl, Mistakes) {
    struct Case {
        std::vector<std::string> arguments;
        int code;
        std::string_view err;
    };
    const std::array<Case, 11> cases = {{
        {{"foo"}, 3, "No help topic for 'foo'\n"},
        {{"help", "foo"}, 3, "No help topic for 'foo'\n"},
        {{"--foo"}, 1, "error: flag provided but not defined: -foo\n"},
        {{"list-ports", "-foo"}, 1, "error: flag provided but not defined: -foo\n"},
        {{"list-ports"}, 1, "error: please specify --socket or set $ROOTLESSKIT_STATE_DIR\n"},
        {{"--socket", "/nonexistent/s", "info"},
         1,
         "error: stat /nonexistent/s: no such file or directory\n"},
        {{"--socket=/nonexistent/s", "add-ports"}, 1, "error: no port specified\n"},
        {{"add-ports", ":1:2/tcp", "x"}, 1, "error: missing proto in PortSpec string: \"x\"\n"},
        {{"remove-ports"}, 1, "error: no ID specified\n"},
        {{"remove-ports", "1", "abc"}, 1, "error: strconv.Atoi: parsing \"abc\": invalid syntax\n"},
        {{"remove-ports", "99999999999999999999"},
         1,
         "error: strconv.Atoi: parsing \"99999999999999999999\": value out of range\n"},
    }};
    for (const Case& one : cases) {
        const Ending ending = run(one.arguments);
        EXPECT_EQ(ending.code, one.code) << one.err;
        EXPECT_EQ(ending.err, one.err);
    }
    EXPECT_TRUE(run({"--foo"}).out.starts_with(
        "Incorrect Usage: flag provided but not defined: -foo\n\nNAME:\n"));
    EXPECT_EQ(run({"info"}, sys::Environment({"ROOTLESSKIT_STATE_DIR=/nonexistent"})).err,
              "error: stat /nonexistent/api.sock: no such file or directory\n");
}

}  // namespace
}  // namespace rk::tools
