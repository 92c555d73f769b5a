// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include "base/text.h"
#include "tools/rootlesskit_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "command_line_helpers.h"

namespace rk::tools {
namespace {

using namespace testing_helpers;

using model::NetworkDriver;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

TEST(CommandLineHelp, IsTheGoldenText) {
    std::ifstream file(RK_TEST_SOURCE_DIR "/tests/unit/golden/help.txt");
    std::stringstream golden;
    golden << file.rdbuf();
    const std::array<FoundDefault, 1> found = {
        {{"lxc-user-nic-binary", "/usr/libexec/lxc/lxc-user-nic"}}};
    EXPECT_EQ(render_help(rootlesskit_text(kVersion), rootlesskit_flags(), found), golden.str());
}

TEST(CommandLineHelp, GoesToStdoutAndWins) {
    for (const std::string_view line :
         {"--help", "-h", "-help", "--h", "--help --version", "-v -h", "--print-semver=x --help",
          "--help --net=nonsense", "--mtu=99999999 --help cmd", "--help=true"}) {
        const Exit exit = exit_of(line);
        EXPECT_EQ(exit.code, 0) << line;
        EXPECT_EQ(exit.fatal, "") << line;
        EXPECT_THAT(exit.to_stdout, StartsWith("NAME:\n   rootlesskit - ")) << line;
    }
}

TEST(CommandLineHelp, BelongsToTheCommandAfterIt) {
    EXPECT_THAT(run_of("cmd --help").options.command, ElementsAre("cmd", "--help"));
    EXPECT_THAT(run_of("-- cmd -v").options.command, ElementsAre("cmd", "-v"));
    EXPECT_THAT(run_of("--help=false cmd").options.command, ElementsAre("cmd"));
}

TEST(CommandLineHelp, NamesEveryFlagAsAWord) {
    const std::string text = exit_of("--help").to_stdout;
    const auto words = split_blanks(text);
    for (const FlagDefinition& flag : rootlesskit_flags()) {
        const std::string name = fmt::format("--{}", flag.name);
        const bool there = std::any_of(words.begin(), words.end(), [&](std::string_view word) {
            return word == name || word == name + ",";
        });
        EXPECT_TRUE(there) << name;
    }
}

TEST(CommandLineVersion, Prints) {
    for (const std::string_view line : {"--version", "-v", "--version cmd", "-v --net=nonsense"}) {
        const Exit exit = exit_of(line);
        EXPECT_EQ(exit.code, 0);
        EXPECT_EQ(exit.to_stdout, "rootlesskit version 3.3.0+cxx.0.1.0\n");
        EXPECT_EQ(exit.fatal, "");
    }
}

TEST(CommandLineSemver, PrintsOneNumber) {
    EXPECT_EQ(exit_of("--print-semver=major").to_stdout, "3\n");
    EXPECT_EQ(exit_of("--print-semver minor").to_stdout, "3\n");
    EXPECT_EQ(exit_of("--print-semver=patch --net=nonsense cmd").to_stdout, "0\n");
    EXPECT_EQ(exit_of("--print-semver=patch").code, 0);
    expect_errors({
        {"--print-semver=X cmd", "expected --print-semver=(major|minor|patch), got \"X\""},
        {"--print-semver=Major", "expected --print-semver=(major|minor|patch), got \"Major\""},
    });
    EXPECT_THAT(run_of("--print-semver= cmd").options.command, ElementsAre("cmd"));
}

TEST(CommandLineSemver, ReadsOtherVersions) {
    EXPECT_EQ(*semver_component("10.20.30-beta.1+dev", "patch"), 30U);
    EXPECT_EQ(*semver_component("1.2.3", "minor"), 2U);
    EXPECT_EQ(semver_component("1.2", "patch").error().message,
              "version \"1.2\" has no patch number");
    EXPECT_FALSE(semver_component("", "major"));
    EXPECT_FALSE(semver_component("v1.2.3", "major"));
}

TEST(CommandLineUsage, ErrorsAreSaidTwiceWithTheHelpBetween) {
    const struct {
        std::string_view line;
        std::string error;
    } cases[] = {
        {"-foo", "flag provided but not defined: -foo"},
        {"--net", "flag needs an argument: -net"},
        {"--mtu abc cmd", "invalid value \"abc\" for flag -mtu: parse error"},
        {"--mtu=99999999999999999999 cmd",
         "invalid value \"99999999999999999999\" for flag -mtu: value out of range"},
        {"--pidns=maybe cmd", "invalid boolean value \"maybe\" for -pidns: parse error"},
        {"-p X --publish Y cmd", "Cannot use two forms of the same flag: p publish"},
        {"-h --help", "Cannot use two forms of the same flag: h help"},
        {"---net=host cmd", "bad flag syntax: ---net=host"},
        {"--help --foo", "flag provided but not defined: -foo"},
        {"--egress-nonsense cmd", "flag provided but not defined: -egress-nonsense"},
    };
    const std::string help = exit_of("--help").to_stdout;
    for (const auto& one : cases) {
        const Exit exit = exit_of(one.line);
        EXPECT_EQ(exit.code, 1);
        EXPECT_EQ(exit.fatal, one.error);
        EXPECT_EQ(exit.to_stdout, "Incorrect Usage: " + one.error + "\n\n" + help);
    }
}

TEST(CommandLineRun, Defaults) {
    const tools::Run run = run_of("true");
    const model::Options& options = run.options;
    EXPECT_THAT(run.warnings, IsEmpty());
    EXPECT_THAT(options.command, ElementsAre("true"));
    EXPECT_FALSE(options.debug);
    EXPECT_THAT(options.copy_up, IsEmpty());
    EXPECT_EQ(options.propagation, model::Propagation::kRprivate);
    EXPECT_EQ(options.network, NetworkDriver::kHost);
    EXPECT_EQ(options.mtu, 0U);
    EXPECT_FALSE(options.cidr);
    EXPECT_EQ(options.port_driver, model::PortDriver::kNone);
    EXPECT_THAT(options.publish, IsEmpty());
    EXPECT_TRUE(options.source_ip_transparent);
    EXPECT_EQ(options.source_ip_transparent_backend, model::SourceIpBackend::kAuto);
    EXPECT_EQ(options.reaper, model::ReaperMode::kAuto);
    EXPECT_EQ(options.state_dir, "");
    EXPECT_EQ(options.subid_source, model::SubidSource::kAuto);
    EXPECT_EQ(options.pasta_binary, "pasta");
    EXPECT_EQ(options.slirp4netns_binary, "slirp4netns");
    EXPECT_EQ(options.vpnkit_binary, "vpnkit");
    EXPECT_EQ(options.lxc_user_nic_bridge, "lxcbr0");
    EXPECT_FALSE(options.new_network_namespace());
}

TEST(CommandLineRun, EveryFlagThatIsBuilt) {
    const tools::Run run = run_of(
        "--debug --copy-up=/etc/,/run -copy-up ./a/../b --propagation rslave --net none "
        "--detach-netns --source-ip-transparent=false --source-ip-transparent-backend=nft --pidns "
        "--cgroupns --utsns --ipcns --reaper=true --evacuate-cgroup2=evac "
        "--state-dir=/run/./x/../y/ "
        "--subid-source=none sh -c exit~3");
    const model::Options& options = run.options;
    EXPECT_THAT(run.warnings, IsEmpty());
    EXPECT_TRUE(options.debug);
    EXPECT_THAT(options.copy_up, ElementsAre("/etc", "/run", "b"));
    EXPECT_EQ(options.propagation, model::Propagation::kRslave);
    EXPECT_EQ(options.network, NetworkDriver::kNone);
    EXPECT_TRUE(options.detach_netns);
    EXPECT_FALSE(options.source_ip_transparent);
    EXPECT_EQ(options.source_ip_transparent_backend, model::SourceIpBackend::kNft);
    EXPECT_TRUE(options.pid_namespace && options.cgroup_namespace && options.uts_namespace &&
                options.ipc_namespace);
    EXPECT_EQ(options.reaper, model::ReaperMode::kOn);
    EXPECT_EQ(options.evacuate_cgroup2, "evac");
    EXPECT_EQ(options.state_dir, "/run/y");
    EXPECT_EQ(options.subid_source, model::SubidSource::kNone);
    EXPECT_THAT(options.command, ElementsAre("sh", "-c", "exit 3"));
}

TEST(CommandLineRun, ChoicesOfEachFlag) {
    for (const std::string_view line : {"--propagation=private x",
                                        "--propagation=rprivate x",
                                        "--propagation=slave x",
                                        "--propagation=rslave x",
                                        "--propagation=shared x",
                                        "--propagation=rshared x",
                                        "--propagation=slave --copy-up=/etc x",
                                        "--subid-source= x",
                                        "--subid-source=auto x",
                                        "--subid-source=dynamic x",
                                        "--subid-source=static x",
                                        "--subid-source=none x",
                                        "--reaper=auto x",
                                        "--reaper=false --pidns x",
                                        "--reaper=true x",
                                        "--evacuate-cgroup2= x",
                                        "--copy-up=/tmp/sub x",
                                        "--cidr= x",
                                        "--ifname= x",
                                        "--slirp4netns-sandbox=nonsense x",
                                        "--source-ip-transparent-backend=iptables x",
                                        "--mtu=0 x",
                                        "- x",
                                        "--net=none --disable-host-loopback x",
                                        "--net=host --detach-netns x"}) {
        EXPECT_THAT(run_of(line).warnings, IsEmpty()) << line;
    }
}

TEST(CommandLineRun, ARelativeStateDirBecomesAbsolute) {
    EXPECT_THAT(run_of("--state-dir=a/b x").options.state_dir, StartsWith("/"));
    EXPECT_THAT(run_of("--state-dir=a/b x").options.state_dir, testing::EndsWith("/a/b"));
    EXPECT_EQ(run_of("--state-dir /with~blank x").options.state_dir, "/with blank");
}

TEST(CommandLineRun, Warnings) {
    EXPECT_THAT(run_of("--mtu=1500 x").warnings,
                ElementsAre("unsupported mtu for --net=host: 1500"));
    EXPECT_THAT(run_of("--net=none --mtu=0x5dc x").warnings,
                ElementsAre("unsupported mtu for --net=none: 1500"));
    EXPECT_THAT(run_of("--ipv6 --mtu=65521 x").warnings,
                ElementsAre("ipv6 is experimental", "--ipv6 is discarded for --net=host",
                            "unsupported mtu for --net=host: 65521"));
    EXPECT_THAT(run_of("--ipv6 --net=none x").warnings,
                ElementsAre("ipv6 is experimental", "--ipv6 is discarded for --net=none"));
}

}  // namespace
}  // namespace rk::tools
