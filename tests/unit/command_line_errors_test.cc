// SPDX-License-Identifier: Apache-2.0
// Every value and combination of flags that is refused, and what each network driver says.
#include "tools/rootlesskit_flags.h"
#include "tools/validate_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_line_helpers.h"

namespace rk::tools {
namespace {

using namespace testing_helpers;

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view kLoopbackWarning =
    "--disable-host-loopback is highly recommended: without it the command reaches what listens on "
    "127.0.0.1 of the host";

Validated validated_of(std::initializer_list<std::string> arguments) {
    const std::vector<std::string> list(arguments);
    const auto flags = FlagSet::parse(rootlesskit_flags(), list);
    Validated validated;
    const auto result = validate_network(*flags, validated);
    EXPECT_TRUE(result) << result.error().message;
    return validated;
}

// Drivers that are refused in the end are validated all the same; these are their warnings and
// values.
TEST(ValidateNetwork, WarningsOfEachDriver) {
    const std::string loopback(kLoopbackWarning);
    EXPECT_THAT(validated_of({"--net=builtin"}).warnings, ElementsAre(loopback));
    EXPECT_THAT(validated_of({"--net=builtin", "--ipv6", "--disable-host-loopback"}).warnings,
                IsEmpty());
    EXPECT_THAT(
        validated_of({"--net=pasta", "--ipv6"}).warnings,
        ElementsAre("ipv6 is experimental", loopback, "network driver \"pasta\" is experimental"));
    EXPECT_THAT(validated_of({"--net=slirp4netns", "--disable-host-loopback"}).warnings, IsEmpty());
    EXPECT_THAT(validated_of({"--net=vpnkit", "--mtu=1500"}).warnings, ElementsAre(loopback));
    EXPECT_THAT(
        validated_of({"--net=vpnkit", "--mtu=9000", "--ipv6"}).warnings,
        ElementsAre("ipv6 is experimental", "--ipv6 is discarded for --net=vpnkit", loopback,
                    "vpnkit is known to have trouble with an MTU other than 1500, got 9000"));
    EXPECT_THAT(validated_of({"--net=lxc-user-nic"}).warnings,
                ElementsAre(loopback, "network driver \"lxc-user-nic\" is experimental",
                            "--disable-host-loopback is implicitly set for --net=lxc-user-nic"));
    EXPECT_THAT(validated_of({"--net=gvisor-tap-vsock", "--disable-host-loopback"}).warnings,
                ElementsAre("network driver \"gvisor-tap-vsock\" is experimental"));
}

TEST(ValidateNetwork, EgressRules) {
    const auto rules = validated_of({"--net=builtin", "--egress-allow=10.0.0.0/8:80",
                                     "--egress-deny=0.0.0.0/0,[2001:db8::/32]:1-9/udp",
                                     "--egress-deny=::1", "--egress-deny=::1/128"})
                           .options.egress;
    std::string texts;
    for (const model::EgressRule& rule : rules) {
        texts += fmt::format("{} {}; ", model::egress_action_text(rule.action), rule.text());
    }
    EXPECT_EQ(texts,
              "deny 0.0.0.0/0; deny [2001:db8::/32]:1-9/udp; deny ::1; allow 10.0.0.0/8:80; ");
    EXPECT_EQ(validated_of({"--net=gvisor-tap-vsock", "--egress-deny=::/0"}).options.egress.size(),
              1U);
}

TEST(ValidateNetwork, ValuesOfDrivers) {
    const auto slirp = validated_of({"--net=slirp4netns", "--slirp4netns-sandbox=auto",
                                     "--slirp4netns-seccomp=true", "--cidr=10.1.0.0/16",
                                     "--ifname=tap9", "--slirp4netns-binary=/opt/s"})
                           .options;
    EXPECT_EQ(slirp.slirp4netns_sandbox, model::ToggleMode::kAuto);
    EXPECT_EQ(slirp.slirp4netns_seccomp, model::ToggleMode::kOn);
    ASSERT_TRUE(slirp.cidr);
    EXPECT_EQ(slirp.cidr->address, 0x0a010000U);
    EXPECT_EQ(slirp.cidr->prefix, 16);
    EXPECT_EQ(slirp.ifname, "tap9");
    EXPECT_EQ(slirp.slirp4netns_binary, "/opt/s");
    const auto lxc = validated_of({"--net=lxc-user-nic", "--lxc-user-nic-binary=/opt/l"}).options;
    EXPECT_TRUE(lxc.disable_host_loopback);
    EXPECT_EQ(lxc.lxc_user_nic_binary, "/opt/l");
}

TEST(ValidateNetwork, KeepsPublishedPortsInOrder) {
    const auto options = validated_of({"--net=none", "--port-driver=builtin", "-p",
                                       "127.0.0.1:1:2/tcp, [::1]:3:4/udp", "-p", ":5:6/sctp"})
                             .options;
    EXPECT_EQ(options.port_driver, model::PortDriver::kBuiltin);
    ASSERT_EQ(options.publish.size(), 3U);
    EXPECT_EQ(options.publish[0].in_braces(), "{tcp 127.0.0.1 1 2 }");
    EXPECT_EQ(options.publish[1].in_braces(), "{udp ::1 3 4 }");
    EXPECT_EQ(options.publish[2].in_braces(), "{sctp  5 6 }");
}

TEST(CommandLineErrors, Command) {
    expect_errors({{"", "no command specified"},
                   {"--", "no command specified"},
                   {"--net=nonsense --pidns", "no command specified"}});
    EXPECT_EQ(std::get<Exit>(parse_command_line({}, kVersion)).fatal, "no command specified");
}

TEST(CommandLineErrors, Evacuation) {
    expect_errors({
        {"--evacuate-cgroup2=x c", "evacuate-cgroup2 requires --cgroupns"},
        {"--evacuate-cgroup2=x --pidns c", "evacuate-cgroup2 requires --cgroupns"},
        {"--evacuate-cgroup2=x --cgroupns c", "evacuate-cgroup2 requires --pidns"},
        {"--evacuate-cgroup2=a/b --cgroupns --pidns c",
         "evacuate-cgroup2 must be the name of a group without \"/\", got \"a/b\""},
        {"--evacuate-cgroup2=.. --cgroupns --pidns c",
         "evacuate-cgroup2 must be the name of a group, got \"..\""},
    });
}

TEST(CommandLineErrors, StateDir) {
    EXPECT_EQ(run_of("--state-dir= c").options.state_dir, "") << "a temporary one, as without";
    const std::string longest = "/" + std::string(97, 'd');
    EXPECT_EQ(run_of("--state-dir=" + longest + " c").options.state_dir, longest);
    EXPECT_EQ(run_of("--state-dir=" + longest + "/./ c").options.state_dir, longest);
    EXPECT_EQ(exit_of("--state-dir=" + longest + "d c").fatal,
              "state-dir must be at most 98 bytes long, got 99 bytes: " + longest +
                  "d/api.sock would not fit in the 107 bytes of a socket's path");
}

TEST(CommandLineErrors, NetworkValues) {
    const std::string_view host_bits = "cidr must be like 10.0.2.0/24, not like 10.0.2.100/24";
    expect_errors({
        {"--mtu=65522 c", "mtu must be <= 65521, got 65522"},
        {"--mtu=-1 c", "mtu must be <= 65521, got -1"},
        {"--cidr=x c", "invalid CIDR address: x"},
        {"--cidr=10.0.2.0 c", "invalid CIDR address: 10.0.2.0"},
        {"--cidr=10.0.2.0/33 c", "invalid CIDR address: 10.0.2.0/33"},
        {"--cidr=10.0.2.0/ c", "invalid CIDR address: 10.0.2.0/"},
        {"--cidr=10.0.2.0/+8 c", "invalid CIDR address: 10.0.2.0/+8"},
        {"--cidr=10.0.2/24 c", "invalid CIDR address: 10.0.2/24"},
        {"--cidr=10.0.02.0/24 c", "invalid CIDR address: 10.0.02.0/24"},
        {"--cidr=fd00::/129 c", "invalid CIDR address: fd00::/129"},
        {"--cidr=fd00::%lo/64 c", "invalid CIDR address: fd00::%lo/64"},
        {"--cidr=10.0.2.100/24 c", host_bits},
        {"--cidr=10.0.2.0/22 c", host_bits},
        {"--cidr=fd00::1/64 c", host_bits},
        {"--ifname=a/b c", "ifname must not contain \"/\""},
        {"--ifname=0123456789abcdef c",
         "ifname must be 1 to 15 bytes without blanks and colons, got \"0123456789abcdef\""},
        {"--ifname=a~b c", "ifname must be 1 to 15 bytes without blanks and colons, got \"a b\""},
        {"--ifname=lo c", "ifname must not be \"lo\", which is the loopback interface"},
        {"--ifname=.. c", "ifname must be 1 to 15 bytes without blanks and colons, got \"..\""},
        {"--net=foo c", "unknown network mode: foo"},
        {"--net= c", "unknown network mode: "},
    });
}

TEST(CommandLineErrors, NetworkDrivers) {
    expect_errors({
        {"--cidr=10.0.2.0/24 c", "custom cidr is not supported for --net=host"},
        {"--cidr=fd00::/64 c", "custom cidr is not supported for --net=host"},
        {"--ifname=eth0 c", "ifname cannot be specified for --net=host"},
        {"--net=none --cidr=10.0.2.0/24 c", "custom cidr is not supported for --net=none"},
        {"--net=none --ifname=eth0 c", "ifname cannot be specified for --net=none"},
        {"--net=vpnkit --cidr=10.0.2.0/24 c", "custom cidr is not supported for --net=vpnkit"},
        {"--net=lxc-user-nic --cidr=10.0.2.0/24 c",
         "custom cidr is not supported for --net=lxc-user-nic"},
        {"--net=gvisor-tap-vsock --ipv6 c", "--ipv6 is not supported for gvisor-tap-vsock"},
        {"--net=slirp4netns --cidr=fd00::/64 c",
         "cidr must be an IPv4 network like 10.0.2.0/24, got fd00::/64"},
        {"--net=builtin --cidr=10.0.2.0/26 c",
         "cidr must be /25 or larger, got 10.0.2.0/26: the interface gets the 100th address"},
        {"--net=slirp4netns --slirp4netns-sandbox=x c",
         "unsupported slirp4netns-sandbox mode: \"x\""},
        {"--net=slirp4netns --slirp4netns-seccomp=x c",
         "unsupported slirp4netns-seccomp mode: \"x\""},
    });
    EXPECT_THAT(exit_of("--net=slirp4netns --slirp4netns-sandbox=true --detach-netns c").fatal,
                StartsWith("--slirp4netns-sandbox conflicts with --detach-netns ("));
}

TEST(CommandLineErrors, Egress) {
    expect_errors({
        {"--egress-deny=10.0.0.0/8 c",
         "--egress-deny is not supported for --net=host, only for --net=builtin"},
        {"--net=slirp4netns --egress-allow=10.0.0.0/8 c",
         "--egress-allow is not supported for --net=slirp4netns, only for --net=builtin"},
        {"--net=none --egress-deny= c",
         "--egress-deny is not supported for --net=none, only for --net=builtin"},
        {"--net=builtin --egress-deny=10.0.0.1/8 c",
         "--egress-deny: egress rule \"10.0.0.1/8\": host bits are set; the network is "
         "10.0.0.0/8"},
        {"--net=builtin --egress-deny=::/0 --egress-allow=x c",
         "--egress-allow: egress rule \"x\": \"x\" is no IP address"},
    });
    std::string many = "--net=builtin";
    for (std::size_t i = 0; i <= model::kMaxEgressRules; ++i) {
        many += fmt::format(" --egress-deny=10.0.{}.{}", i / 256, i % 256);
    }
    EXPECT_EQ(exit_of(many + " c").fatal, "513 egress rules, at most 512 are possible");
}

TEST(CommandLineErrors, PortDrivers) {
    const std::string_view none =
        R"(network "none" requires either port driver "none" or "builtin")";
    const std::string_view pasta =
        R"(network "pasta" requires port driver "none" or "implicit" (or "pesto"))";
    const std::string_view implicit = "port driver requires pasta network (or builtin)";
    expect_errors({
        {"--port-driver=foo c", "unknown port driver: foo"},
        {"--port-driver= c", "unknown port driver: "},
        {"--port-driver=implicit c", implicit},
        {"--port-driver=pesto c", "port driver requires pasta network"},
        {"--port-driver=slirp4netns c", "port driver requires slirp4netns network"},
        {"--port-driver=builtin c", "port driver requires non-host network"},
        {"--port-driver=gvisor-tap-vsock c", "port driver requires non-host network"},
        {"--net=none --port-driver=implicit c", none},
        {"--net=none --port-driver=slirp4netns c", none},
        {"--net=none --port-driver=gvisor-tap-vsock c", none},
        {"--net=none --port-driver=pesto c", none},
        {"--net=none --port-driver=foo c", none},
        {"--net=pasta --port-driver=builtin c", pasta},
        {"--net=pasta --port-driver=slirp4netns c", pasta},
        {"--net=pasta --port-driver=foo c", pasta},
        {"--net=slirp4netns --port-driver=implicit c", implicit},
        {"--net=slirp4netns --port-driver=pesto c", "port driver requires pasta network"},
        {"--net=slirp4netns --port-driver=gvisor-tap-vsock c",
         "port driver requires gvisor-tap-vsock network"},
        {"--net=slirp4netns --port-driver=foo c", "unknown port driver: foo"},
        {"--net=vpnkit --port-driver=slirp4netns c", "port driver requires slirp4netns network"},
        {"--net=lxc-user-nic --port-driver=implicit c", implicit},
        {"--net=gvisor-tap-vsock --port-driver=slirp4netns c",
         "port driver requires slirp4netns network"},
        {"--net=builtin --port-driver=pesto c", "port driver requires pasta network"},
        {"--source-ip-transparent-backend=foo c", "unknown source-ip-transparent-backend: foo"},
    });
}

TEST(CommandLineErrors, Publish) {
    expect_errors({
        {"-p 127.0.0.1:1:2/tcp c", "port driver \"none\" does not support publishing ports"},
        {"-p nonsense c", "port driver \"none\" does not support publishing ports"},
        {"--net=pasta --port-driver=implicit -p 127.0.0.1:1:2/tcp c",
         "port driver \"implicit\" does not support publishing ports"},
        {"--net=builtin --port-driver=implicit -p 127.0.0.1:1:2/tcp c",
         "port driver \"implicit\" does not support publishing ports"},
        {"--net=none --port-driver=builtin -p 127.0.0.1:1:2 c",
         "missing proto in PortSpec string: \"127.0.0.1:1:2\""},
        {"--net=none --port-driver=builtin -p 127.0.0.1:2:0/tcp c", "invalid ChildPort: 0"},
        {"--net=none --port-driver=builtin --publish= c", "missing proto in PortSpec string: \"\""},
        {"--net=none --port-driver=builtin -p :1:2/tcp,~:3:4/udp,:1:5/tcp c",
         "failed to expose port {tcp  1 5 }: conflict with ID 1"},
        {"--net=none --port-driver=builtin -p :1:2/udp -p :3:4/udp -p :3:5/udp c",
         "failed to expose port {udp  3 5 }: conflict with ID 2"},
    });
}

TEST(CommandLineErrors, WhatTheOriginalSawOnlyInTheChild) {
    expect_errors({
        {"--copy-up-mode=foo c", "unknown copy-up mode: foo"},
        {"--copy-up-mode= --copy-up=/etc c", "unknown copy-up mode: "},
        {"--copy-up=/tmp c", "/tmp cannot be copied up"},
        {"--copy-up=/etc,/tmp/ c", "/tmp cannot be copied up"},
        {"--copy-up=/etc/../tmp/. c", "/tmp cannot be copied up"},
        {"--copy-up=/ c", "/ cannot be copied up"},
        {"--copy-up=/etc/.. c", "/ cannot be copied up"},
        {"--copy-up=../../../../../../../../../../../../../../../../.. c", "/ cannot be copied up"},
        {"--copy-up=/etc, c", "copy-up must not be an empty path"},
        {"--copy-up= c", "copy-up must not be an empty path"},
        {"--propagation=rshared --copy-up=/etc c",
         "propagation rshared does not support copy-up driver tmpfs+symlink"},
        {"--propagation=shared --copy-up=/etc c",
         "propagation shared does not support copy-up driver tmpfs+symlink"},
        {"--propagation=foo c", "unknown propagation: foo"},
        {"--propagation= c", "unknown propagation: "},
        {"--reaper=foo c", "unknown reaper mode: foo"},
        {"--reaper= c", "unknown reaper mode: "},
        {"--subid-source=foo c",
         "failed to setup UID/GID map: failed to compute uid/gid map: unknown subid source "
         "\"foo\""},
    });
}

TEST(CommandLineErrors, OfTwoMistakesTheOriginalsFirstIsTold) {
    expect_errors({
        {"--evacuate-cgroup2=x --mtu=-1 c", "evacuate-cgroup2 requires --cgroupns"},
        {"--mtu=-1 --cidr=x c", "mtu must be <= 65521, got -1"},
        {"--cidr=x --ifname=/ c", "invalid CIDR address: x"},
        {"--ifname=/ --net=foo c", "ifname must not contain \"/\""},
        {"--net=foo --port-driver=foo c", "unknown network mode: foo"},
        {"--port-driver=foo --reaper=foo c", "unknown port driver: foo"},
        {"--subid-source=foo --reaper=foo c",
         "failed to setup UID/GID map: failed to compute uid/gid map: unknown subid source "
         "\"foo\""},
    });
}

TEST(CommandLineErrors, WhatIsCheckedLastIsCheckedToo) {
    expect_errors({
        {"--net=pasta --copy-up=/ c", "/ cannot be copied up"},
    });
}

}  // namespace
}  // namespace rk::tools
