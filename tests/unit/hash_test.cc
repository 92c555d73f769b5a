// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "gateway/flow_key.h"

#include <gtest/gtest.h>

#include <set>

namespace rk {
namespace {

constexpr std::uint64_t kSeed = 0x123456789abcdef1U;

TEST(Hash, NeighboursDoNotShareBuckets) {
    constexpr std::uint64_t kWords = 4096;
    constexpr std::uint64_t kBuckets = 65536;
    std::set<std::uint64_t> low_bits;
    for (std::uint64_t word = 0; word < kWords; ++word) {
        low_bits.insert(mix(kSeed, word << 32U) % kBuckets);
    }
    // Of as many random numbers some 3,970 would be different.
    EXPECT_GT(low_bits.size(), 3800U);
}

TEST(Hash, TheSeedDecides) {
    std::set<std::uint64_t> values;
    for (std::uint64_t seed = 1; seed <= 64; ++seed) {
        values.insert(mix(seed, 80));
    }
    EXPECT_EQ(values.size(), 64U);
}

TEST(Hash, EachByteOfAnAddressCounts) {
    std::set<std::uint64_t> values;
    for (std::size_t i = 0; i < 16; ++i) {
        std::array<std::uint8_t, 16> address{};
        address.at(i) = 1;
        values.insert(mix_address(kSeed, address.data()));
    }
    EXPECT_EQ(values.size(), 16U);
}

TEST(Hash, AFlowIsAllOfItsEndpoints) {
    const gateway::FlowHash hash(kSeed);
    const model::Endpoint inside{model::IpAddress::v4(0x0a000264), 40000};
    const model::Endpoint asked{model::IpAddress::v4(0x08080808), 53};
    const model::Endpoint other_port{inside.address, 40001};
    const std::set<std::size_t> values = {
        hash(gateway::FlowKey{inside, asked}),
        hash(gateway::FlowKey{asked, inside}),
        hash(gateway::FlowKey{other_port, asked}),
        hash(inside),
        hash(asked),
        hash(other_port),
    };
    EXPECT_EQ(values.size(), 6U);
    EXPECT_EQ(hash(gateway::FlowKey{inside, asked}), hash(gateway::FlowKey{inside, asked}));
}

}  // namespace
}  // namespace rk
