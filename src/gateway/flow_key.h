// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rk::gateway {

/// Who asked inside, and for what.
struct FlowKey {
    model::Endpoint inside;
    model::Endpoint asked;
    friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

/// Hashes with a seed of its own: the namespace chooses what is hashed.
class FlowHash {
 public:
    explicit FlowHash(std::uint64_t seed) : seed_(seed) {}
    std::size_t operator()(const model::Endpoint& endpoint) const { return mix(seed_, endpoint); }
    std::size_t operator()(const FlowKey& key) const {
        return mix(mix(seed_, key.inside), key.asked);
    }

 private:
    // The 128-bit product folded: each bit of state and word reaches every bit of the result.
    static std::uint64_t mix(std::uint64_t state, std::uint64_t word) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = Wide{state ^ word} * 0x9e3779b97f4a7c15U;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
    }
    static std::uint64_t mix(std::uint64_t state, const model::Endpoint& endpoint) {
        std::uint64_t words[2];
        std::memcpy(words, endpoint.address.bytes().data(), sizeof words);
        return mix(mix(mix(state, words[0]), words[1]), endpoint.port);
    }

    std::uint64_t seed_;
};

}  // namespace rk::gateway
