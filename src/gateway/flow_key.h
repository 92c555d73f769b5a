// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/hash.h"
#include "model/endpoint.h"

#include <cstddef>
#include <cstdint>

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
    std::size_t operator()(const model::Endpoint& endpoint) const { return mixed(seed_, endpoint); }
    std::size_t operator()(const FlowKey& key) const {
        return mixed(mixed(seed_, key.inside), key.asked);
    }

 private:
    static std::uint64_t mixed(std::uint64_t state, const model::Endpoint& endpoint) {
        return mix(mix_address(state, endpoint.address.bytes().data()), endpoint.port);
    }

    std::uint64_t seed_;
};

}  // namespace rk::gateway
