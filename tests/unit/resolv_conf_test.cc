// SPDX-License-Identifier: Apache-2.0
#include "wire/resolv_conf.h"

#include "wire/hosts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rk::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ResolvConf, TakesServersSearchAndOptions) {
    const ResolvConf config = parse_resolv_conf(
        "# made by hand\n"
        "nameserver 192.0.2.1\n"
        "nameserver\tfe80::1%eth0\n"
        "search a.example b.example\n"
        "options ndots:2 edns0\n"
        "options trust-ad\n");
    EXPECT_THAT(config.nameservers, ElementsAre("192.0.2.1", "fe80::1%eth0"));
    EXPECT_THAT(config.search, ElementsAre("a.example", "b.example"));
    EXPECT_THAT(config.options, ElementsAre("ndots:2", "edns0", "trust-ad"));
}

TEST(ResolvConf, TheLastOfSearchAndDomainCounts) {
    EXPECT_THAT(parse_resolv_conf("search a b\ndomain c").search, ElementsAre("c"));
    EXPECT_THAT(parse_resolv_conf("domain c\nsearch a b\n").search, ElementsAre("a", "b"));
    EXPECT_THAT(parse_resolv_conf("search a\nsearch\ndomain\n").search, ElementsAre("a"));
    EXPECT_THAT(parse_resolv_conf("search .\r\n").search, ElementsAre("."));
}

TEST(ResolvConf, LeavesOutWhatCannotMeanAnything) {
    EXPECT_THAT(parse_resolv_conf("options rotate debug inet6 timeout:1 timeout:1").options,
                ElementsAre("timeout:1"));
    const ResolvConf config = parse_resolv_conf(
        "; comment\n#search x\n sortlist 1.2.3.4\nfamily inet4\nsearch b\x01"
        "d g\xc3\xa4 ok\nnonsense\n\n");
    EXPECT_THAT(config.search, ElementsAre("ok"));
    EXPECT_THAT(config.nameservers, IsEmpty());
    EXPECT_THAT(config.options, IsEmpty());
}

TEST(ResolvConf, IsBounded) {
    std::string text = "search";
    for (int i = 0; i < 1000; ++i) {
        text += " d" + std::to_string(i);
    }
    EXPECT_THAT(parse_resolv_conf(text).search, SizeIs(64));
}

TEST(ResolvConf, WritesWhatItReads) {
    const ResolvConf config{{"10.0.2.3", "fd00::3"}, {"a.example", "b"}, {"ndots:5"}};
    const std::string text = format_resolv_conf(config);
    EXPECT_EQ(text,
              "nameserver 10.0.2.3\nnameserver fd00::3\nsearch a.example b\noptions ndots:5\n");
    EXPECT_EQ(parse_resolv_conf(text), config);
    EXPECT_EQ(format_resolv_conf({{"10.0.2.3"}, {}, {}}), "nameserver 10.0.2.3\n");
}

TEST(HostsFile, GetsTheOwnNameOnce) {
    EXPECT_EQ(hosts_with_own_name("", "box"), "127.0.0.1 box\n::1 box\n");
    EXPECT_EQ(hosts_with_own_name("127.0.0.1 localhost", "box"),
              "127.0.0.1 localhost\n127.0.0.1 box\n::1 box\n");
    const std::string once = hosts_with_own_name("127.0.1.1 box\n", "box");
    EXPECT_EQ(once, "127.0.1.1 box\n127.0.0.1 box\n::1 box\n");
    EXPECT_EQ(hosts_with_own_name(once, "box"), once);
    EXPECT_EQ(hosts_with_own_name("127.0.0.1\tlocalhost box # x\n::1 boxy #box\n", "box"),
              "127.0.0.1\tlocalhost box # x\n::1 boxy #box\n::1 box\n");
}

TEST(HostsFile, ANameThatIsNoneAddsNothing) {
    for (const char* name : {"", "a b", "a\nb", "#x", "\xff"}) {
        EXPECT_EQ(hosts_with_own_name("127.0.0.1 localhost\n", name), "127.0.0.1 localhost\n");
    }
}

}  // namespace
}  // namespace rk::wire
