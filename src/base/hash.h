// SPDX-License-Identifier: Apache-2.0
//
// The hash of tables whose keys are chosen by others: it starts from a random seed, and each bit of
// the state and the word reaches every bit of the result (the 128-bit product folded).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace rk {

[[nodiscard]] inline std::uint64_t mix(std::uint64_t state, std::uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{state ^ word} * 0x9e3779b97f4a7c15U;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// The 16 bytes of an address.
[[nodiscard]] inline std::uint64_t mix_address(std::uint64_t state, const std::uint8_t* bytes) {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), bytes, sizeof words);
    return mix(mix(state, words[0]), words[1]);
}

}  // namespace rk
