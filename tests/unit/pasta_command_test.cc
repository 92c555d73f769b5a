// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/pasta_command.h"

#include "base/text.h"
#include "drivers/network/address_plan.h"

#include <gtest/gtest.h>

namespace rk::drivers {
namespace {

constexpr std::string_view kOldHelp =
    "  -f, --foreground\tDon't run in background\n  -e, --stderr\t\tLog to stderr too\n"
    "  -P, --pid FILE\tWrite own PID\n  --no-map-gw\n  -T, --tcp-ns SPEC\n  -U, --udp-ns SPEC\n"
    "  --config-net\t\tConfigure tap interface in namespace\n";
constexpr std::string_view kNewHelp =
    "  -f, --foreground\tDon't run in background\n  -c, --conf-path PATH\n"
    "  -P, --pid FILE\tWrite own PID\n  --no-map-gw\n  -T, --tcp-ns SPEC\n  -U, --udp-ns SPEC\n"
    "  --host-lo-to-ns-lo\n  --config-net\t\tConfigure tap interface in namespace\n";

struct PastaCommand : ::testing::Test {
    model::Options options;
    PastaFeatures features = parse_pasta_help(kNewHelp);
    std::string detached_netns{};
    bool as_root = false;

    std::string line() {
        const model::NetworkSetup setup = plan_addresses(options);
        const auto words = pasta_command({.options = options,
                                          .setup = setup,
                                          .features = features,
                                          .program = "pasta",
                                          .child = 42,
                                          .detached_netns = detached_netns,
                                          .ready_fifo = "/s/r",
                                          .control_socket = "/s/c",
                                          .as_root = as_root});
        return words ? join(*words, " ") : "error: " + words.error().message;
    }
};

TEST_F(PastaCommand, HasTheOrderUsersKnow) {
    EXPECT_EQ(line(),
              "pasta --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 "
              "--gateway=10.0.2.2 --dns-forward=10.0.2.3 --ipv4-only --tcp-ports=none "
              "--udp-ports=none --host-lo-to-ns-lo --foreground --pid=/s/r 42");
}

TEST_F(PastaCommand, HasEveryOptionInItsPlace) {
    options.mtu = 1500;
    options.disable_host_loopback = true;
    options.cidr = model::Ipv4Network{0x0a010000, 16};
    options.ipv6 = true;
    options.ifname = "eth9";
    options.port_driver = model::PortDriver::kImplicit;
    as_root = true;
    EXPECT_EQ(line(),
              "pasta --ns-ifname=eth9 --mtu=1500 --config-net --address=10.1.0.100 --netmask=16 "
              "--gateway=10.1.0.2 --dns-forward=10.1.0.3 --address=fd00::100 --gateway=fd00::2 "
              "--dns-forward=fd00::3 --no-map-gw --tcp-ports=auto --udp-ports=auto --tcp-ns=none "
              "--udp-ns=none --host-lo-to-ns-lo --foreground --pid=/s/r --runas=0:0 42");
}

TEST_F(PastaCommand, FindsADetachedNamespaceByItsPath) {
    detached_netns = "/run/user/1000/s/netns";
    EXPECT_TRUE(
        line().ends_with(" --userns=/proc/42/ns/user --netns=/proc/42/root/run/user/1000/s/netns"));
}

TEST_F(PastaCommand, GivesAnOldOneWhatItKnows) {
    features = parse_pasta_help(kOldHelp);
    EXPECT_TRUE(line().starts_with("pasta --stderr --ns-ifname=tap0 "));
    EXPECT_EQ(line().find("--host-lo-to-ns-lo"), std::string::npos);
    options.port_driver = model::PortDriver::kPesto;
    EXPECT_EQ(line(),
              "error: port driver \"pesto\" needs passt 2026_05_07 or newer: pasta has no "
              "--conf-path");
}

TEST_F(PastaCommand, RefusesWhatIsNoPasta) {
    features = parse_pasta_help("usage: false\n");
    EXPECT_EQ(line(), "error: pasta is no pasta, or older than 2023: it has no --config-net");
    features = parse_pasta_help("--config-net --foreground --pid FILE");
    EXPECT_TRUE(line().starts_with("pasta --ns-ifname=tap0 "));
    options.disable_host_loopback = true;
    EXPECT_EQ(line(), "error: this version of pasta does not support --disable-host-loopback");
}

}  // namespace
}  // namespace rk::drivers
