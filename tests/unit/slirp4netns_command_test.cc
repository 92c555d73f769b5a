// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/slirp4netns_command.h"

#include "base/text.h"
#include "drivers/network/address_plan.h"

#include <gtest/gtest.h>

namespace rk::drivers {
namespace {

using model::ToggleMode;

constexpr std::string_view kHelp =
    "-6, --enable-ipv6        enable IPv6\n-a, --api-socket=PATH\n--cidr=CIDR\n"
    "--disable-host-loopback\n--netns-type=TYPE\n--enable-sandbox\n--enable-seccomp\n";

struct Slirp4netnsCommand : ::testing::Test {
    model::Options options;
    Slirp4netnsFeatures features = parse_slirp4netns_help(kHelp);
    bool kernel_seccomp = true;
    std::string detached_netns{};
    std::string api_socket{};

    std::string line() {
        const model::NetworkSetup setup = plan_addresses(options);
        const auto words = slirp4netns_command({.options = options,
                                                .setup = setup,
                                                .features = features,
                                                .kernel_seccomp = kernel_seccomp,
                                                .program = "slirp4netns",
                                                .child = 42,
                                                .detached_netns = detached_netns,
                                                .api_socket = api_socket});
        return words ? join(*words, " ") : "error: " + words.error().message;
    }
};

TEST_F(Slirp4netnsCommand, IsShortByDefault) {
    EXPECT_EQ(line(), "slirp4netns --mtu 65520 -r 3 42 tap0");
}

TEST_F(Slirp4netnsCommand, HasEveryOptionInItsPlace) {
    options.mtu = 1500;
    options.disable_host_loopback = true;
    options.cidr = model::Ipv4Network{0x0a010000, 16};
    options.slirp4netns_sandbox = ToggleMode::kOn;
    options.slirp4netns_seccomp = ToggleMode::kOn;
    options.ipv6 = true;
    options.ifname = "eth9";
    api_socket = "/s/.s4nn.sock";
    EXPECT_EQ(line(),
              "slirp4netns --mtu 1500 -r 3 --disable-host-loopback --cidr 10.1.0.0/16 --api-socket "
              "/s/.s4nn.sock --enable-sandbox --enable-seccomp --enable-ipv6 42 eth9");
}

TEST_F(Slirp4netnsCommand, FindsADetachedNamespaceByItsPath) {
    detached_netns = "/run/user/1000/s/netns";
    options.slirp4netns_sandbox = ToggleMode::kAuto;
    options.slirp4netns_seccomp = ToggleMode::kAuto;
    EXPECT_EQ(line(),
              "slirp4netns --mtu 65520 -r 3 --enable-seccomp --userns-path=/proc/42/ns/user "
              "--netns-type=path /proc/42/root/run/user/1000/s/netns tap0");
    options.slirp4netns_sandbox = ToggleMode::kOn;
    EXPECT_EQ(line(), "error: --slirp4netns-sandbox conflicts with --detach-netns");
}

TEST_F(Slirp4netnsCommand, AutoTakesWhatIsThere) {
    options.slirp4netns_sandbox = ToggleMode::kAuto;
    options.slirp4netns_seccomp = ToggleMode::kAuto;
    EXPECT_EQ(line(), "slirp4netns --mtu 65520 -r 3 --enable-sandbox --enable-seccomp 42 tap0");
    kernel_seccomp = false;
    EXPECT_EQ(line(), "slirp4netns --mtu 65520 -r 3 --enable-sandbox 42 tap0");
    kernel_seccomp = true;
    features.sandbox = features.seccomp = false;
    EXPECT_EQ(line(), "slirp4netns --mtu 65520 -r 3 42 tap0");
}

TEST_F(Slirp4netnsCommand, WhatWasAskedForAndIsMissingIsAnError) {
    options.slirp4netns_seccomp = ToggleMode::kOn;
    kernel_seccomp = false;
    EXPECT_EQ(line(), "error: kernel doesn't support seccomp");
    features = {.netns_type = true};
    EXPECT_EQ(line(), "error: unsupported slirp4netns version: lacks SupportsEnableSeccomp");
    options.slirp4netns_seccomp = ToggleMode::kOff;
    const std::string lacks = "error: this version of slirp4netns does not support ";
    options.ipv6 = true;
    EXPECT_EQ(line(), lacks + "--enable-ipv6");
    options.slirp4netns_sandbox = ToggleMode::kOn;
    EXPECT_EQ(line(), lacks + "--enable-sandbox");
    api_socket = "/s/x";
    EXPECT_EQ(line(), lacks + "--api-socket");
    options.cidr = model::Ipv4Network{0x0a010000, 16};
    EXPECT_EQ(line(), lacks + "--cidr");
    options.disable_host_loopback = true;
    EXPECT_EQ(line(), lacks + "--disable-host-loopback");
    features = parse_slirp4netns_help("usage: something else");
    EXPECT_EQ(line(), "error: slirp4netns seems older than v0.4.0");
}

TEST(AddressPlan, CountsFromTheNetworksAddress) {
    model::Options options;
    model::NetworkSetup setup = plan_addresses(options);
    EXPECT_EQ(setup.device, "tap0");
    EXPECT_EQ(setup.mtu, 65520U);
    EXPECT_EQ(setup.prefix, 24);
    EXPECT_EQ(setup.address.text(), "10.0.2.100");
    EXPECT_EQ(setup.gateway.text(), "10.0.2.2");
    ASSERT_EQ(setup.dns.size(), 1U);
    EXPECT_EQ(setup.dns[0].text(), "10.0.2.3");
    options.cidr = model::Ipv4Network{0xffffff80, 25};
    options.mtu = 1400;
    options.ifname = "up0";
    setup = plan_addresses(options);
    EXPECT_EQ(setup.address.text(), "255.255.255.228");
    EXPECT_EQ(setup.prefix, 25);
    EXPECT_EQ(setup.mtu, 1400U);
    EXPECT_EQ(setup.device, "up0");
}

}  // namespace
}  // namespace rk::drivers
