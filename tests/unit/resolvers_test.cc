// SPDX-License-Identifier: Apache-2.0
#include "gateway/resolvers.h"

#include <gtest/gtest.h>

#include <string>

namespace rk::gateway {
namespace {

model::IpAddress ip(std::string_view text) {
    return *model::IpAddress::parse(text);
}

std::string texts(const std::vector<model::IpAddress>& addresses) {
    std::string all;
    for (const model::IpAddress& one : addresses) {
        all += one.text() + " ";
    }
    return all;
}

std::string chosen(Resolvers& resolvers, std::int64_t now) {
    const auto server = resolvers.choose(now);
    return server ? server->text() : "nobody";
}

const model::IpAddress kFirst = ip("192.0.2.1");
const model::IpAddress kSecond = ip("192.0.2.2");
const model::IpAddress kThird = ip("2001:db8::3");

TEST(UpstreamResolvers, AreThoseOfTheFile) {
    EXPECT_EQ(texts(upstream_resolvers("# made by x\nnameserver 192.0.2.1\nsearch a.test\n"
                                       "nameserver 2001:db8::3\nnameserver 127.0.0.53\n"
                                       "nameserver 192.0.2.9\n")),
              "192.0.2.1 2001:db8::3 127.0.0.53 ");
}

TEST(UpstreamResolvers, AreTheHostWhereTheFileNamesNone) {
    EXPECT_EQ(texts(upstream_resolvers("")), "127.0.0.1 ");
    EXPECT_EQ(texts(upstream_resolvers("nameserver dns.test\n")), "127.0.0.1 ");
    EXPECT_EQ(texts(upstream_resolvers("nameserver 0.0.0.0\nnameserver ::\n")), "127.0.0.1 ::1 ");
    EXPECT_EQ(texts(upstream_resolvers("nameserver fe80::1%eth0\nnameserver 192.0.2.1\n")),
              "192.0.2.1 ");
}

TEST(Resolvers, TheFirstIsAskedAsLongAsItAnswers) {
    Resolvers resolvers({kFirst, kSecond});
    for (std::int64_t now = 0; now < 100'000; now += 3'000) {
        EXPECT_EQ(chosen(resolvers, now), "192.0.2.1");
        resolvers.answered(kFirst);
    }
    Resolvers nobody;
    EXPECT_EQ(chosen(nobody, 0), "nobody");
    nobody.failed(kFirst, 0);
    nobody.answered(kFirst);
}

TEST(Resolvers, TheNextIsAskedAfterAFailureAndTheFirstAgainAfterAWhile) {
    Resolvers resolvers({kFirst, kSecond, kThird});
    resolvers.failed(kFirst, 1'000);
    EXPECT_EQ(chosen(resolvers, 1'000), "192.0.2.2");
    EXPECT_EQ(chosen(resolvers, 10'999), "192.0.2.2");
    EXPECT_EQ(chosen(resolvers, 11'000), "192.0.2.1");
    // One query tries it; until it has answered the others go where answers come from.
    EXPECT_EQ(chosen(resolvers, 11'001), "192.0.2.2");
    resolvers.answered(kFirst);
    EXPECT_EQ(chosen(resolvers, 11'002), "192.0.2.1");
}

TEST(Resolvers, AFirstOneThatFailsAgainIsLeftAloneAgain) {
    Resolvers resolvers({kFirst, kSecond});
    resolvers.failed(kFirst, 0);
    EXPECT_EQ(chosen(resolvers, 10'000), "192.0.2.1");
    resolvers.failed(kFirst, 15'000);
    EXPECT_EQ(chosen(resolvers, 20'000), "192.0.2.2");
    EXPECT_EQ(chosen(resolvers, 24'999), "192.0.2.2");
    EXPECT_EQ(chosen(resolvers, 25'000), "192.0.2.1");
    EXPECT_EQ(resolvers.current(), 1U);
}

TEST(Resolvers, QueriesThatFailTogetherMoveOnByOne) {
    Resolvers resolvers({kFirst, kSecond, kThird});
    for (int i = 0; i < 50; ++i) {
        resolvers.failed(kFirst, i);
    }
    EXPECT_EQ(chosen(resolvers, 100), "192.0.2.2");
    resolvers.failed(kSecond, 200);
    EXPECT_EQ(chosen(resolvers, 200), "2001:db8::3");
    resolvers.failed(kThird, 300);
    EXPECT_EQ(chosen(resolvers, 300), "192.0.2.1");
    // Answers of one that is no longer chosen change nothing, those of the first do.
    resolvers.failed(kFirst, 400);
    resolvers.answered(kThird);
    EXPECT_EQ(chosen(resolvers, 400), "192.0.2.2");
}

TEST(Resolvers, ASingleOneIsAskedWhateverHappens) {
    Resolvers resolvers({kFirst});
    resolvers.failed(kFirst, 0);
    EXPECT_EQ(chosen(resolvers, 1), "192.0.2.1");
}

TEST(Resolvers, ANewListStartsAnewAndIsBounded) {
    Resolvers resolvers({kFirst, kSecond});
    resolvers.failed(kFirst, 0);
    resolvers.replace({kFirst, kSecond});
    EXPECT_EQ(chosen(resolvers, 1), "192.0.2.2");
    resolvers.replace({kThird, kFirst, kSecond, ip("192.0.2.9")});
    EXPECT_EQ(chosen(resolvers, 2), "2001:db8::3");
    EXPECT_EQ(resolvers.servers().size(), kMaxResolvers);
    resolvers.failed(kSecond, 3);
    EXPECT_EQ(resolvers.current(), 0U);
}

}  // namespace
}  // namespace rk::gateway
