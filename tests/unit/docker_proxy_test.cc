// SPDX-License-Identifier: Apache-2.0
#include "tools/docker_proxy.h"

#include <gtest/gtest.h>

#include <array>

namespace rk::tools {
namespace {

using Action = ProxyPlan::Action;

api::Info builtin() {
    api::Info info;
    info.port = drivers::PortDriverInfo{
        "builtin", {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}, false, {}};
    return info;
}

ProxyRequest request(std::string host_ip, std::string proto = "tcp") {
    return {"172.17.0.2", 80, std::move(host_ip), 18080, std::move(proto), false};
}

TEST(DockerProxy, ReadsItsFlags) {
    const std::vector<std::string> words = {
        "-proto",        "udp",        "-host-ip",        "127.0.0.1", "-host-port",    "18080",
        "-container-ip", "172.17.0.2", "-container-port", "80",        "-use-listen-fd"};
    const auto flags = FlagSet::parse(docker_proxy_flags(), words);
    ASSERT_TRUE(flags);
    const ProxyRequest read = proxy_request(*flags);
    EXPECT_EQ(read.proto, "udp");
    EXPECT_EQ(read.host_port, 18080);
    EXPECT_EQ(read.container_port, 80);
    EXPECT_TRUE(read.use_listen_fd);
    EXPECT_EQ(proxy_request(*FlagSet::parse(docker_proxy_flags(), {})).container_port, -1);
}

TEST(DockerProxy, ChoosesFamilyByTheHostAddress) {
    struct Case {
        std::string_view host_ip;
        std::string_view proto;
        std::string_view api_proto;
        std::string_view child_ip;
    };
    constexpr std::array<Case, 7> kCases = {{
        {"127.0.0.1", "tcp", "tcp4", "127.0.0.1"},
        {"0.0.0.0", "udp", "udp4", "127.0.0.1"},
        {"", "tcp", "tcp4", "127.0.0.1"},
        {"::", "tcp", "tcp6", "::1"},
        {"::1", "udp", "udp6", "::1"},
        {"127.0.0.1", "tcp4", "tcp4", "127.0.0.1"},
        {"::1", "tcp6", "tcp6", "::1"},
    }};
    for (const Case& one : kCases) {
        const auto plan =
            plan_proxy(request(std::string(one.host_ip), std::string(one.proto)), builtin());
        ASSERT_TRUE(plan);
        ASSERT_EQ(plan->action, Action::kPublish);
        EXPECT_EQ(plan->spec.proto, one.api_proto);
        EXPECT_EQ(plan->spec.child_ip, one.child_ip);
        EXPECT_EQ(plan->spec.parent_ip, one.host_ip);
        EXPECT_EQ(plan->spec.parent_port, 18080);
        EXPECT_EQ(plan->spec.child_port, 18080);
    }
}

TEST(DockerProxy, StartsTheRealOneOnTheChildsAddress) {
    EXPECT_EQ(plan_proxy(request("127.0.0.1"), builtin())->arguments,
              (std::vector<std::string>{"-container-ip", "172.17.0.2", "-container-port", "80",
                                        "-host-ip", "127.0.0.1", "-host-port", "18080", "-proto",
                                        "tcp"}));
}

TEST(DockerProxy, LeavesPortsToTheRealOneWithoutAPortDriver) {
    EXPECT_EQ(plan_proxy(request(""), api::Info{})->action, Action::kRunRealProxy);
    for (const std::string_view driver : {"none", "implicit"}) {
        api::Info info = builtin();
        info.port->driver = driver;
        EXPECT_EQ(plan_proxy(request(""), info)->action, Action::kRunRealProxy);
    }
}

TEST(DockerProxy, IgnoresWhatTheDriverCannotDo) {
    const auto plan = plan_proxy(request("::1", "sctp"), builtin());
    EXPECT_EQ(plan->action, Action::kIgnore);
    EXPECT_EQ(plan->warning,
              "protocol \"sctp6\" is not supported by the RootlessKit port driver \"builtin\", "
              "discarding request for \"[::1]:18080\"");
}

TEST(DockerProxy, NeedsTheChildsAddressOfSomeDrivers) {
    api::Info info = builtin();
    info.port->disallow_loopback_child_ip = true;
    EXPECT_FALSE(plan_proxy(request(""), info));  // the original crashed here
    info.network = model::NetworkInfo{};
    EXPECT_FALSE(plan_proxy(request(""), info));
    info.network->child_ip = "10.0.2.100";
    const auto plan = plan_proxy(request("127.0.0.1"), info);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->spec.child_ip, "10.0.2.100");
    EXPECT_EQ(plan->arguments.at(5), "10.0.2.100");
}

TEST(DockerProxy, UsageNamesEveryFlag) {
    const std::string usage = docker_proxy_usage();
    for (const FlagDefinition& flag : docker_proxy_flags()) {
        EXPECT_NE(usage.find(fmt::format("  -{}", flag.name)), std::string::npos) << flag.name;
    }
    EXPECT_NE(usage.find("-host-port int\n    \tport on the host (default -1)\n"),
              std::string::npos);
}

}  // namespace
}  // namespace rk::tools
