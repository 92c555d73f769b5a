// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rk::relay {

/// What an item of a slab knows about itself. The generation changes each time the place is given
/// to somebody else, so that a reference from before (an event of epoll) is recognised as stale.
struct SlabPlace {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;  // kGenerationBits wide
    bool live = false;
};

inline constexpr unsigned kGenerationBits = 28;

/// Items in chunks that never move; places are reused, last freed first. T derives from SlabPlace.
template <typename T>
class Slab {
 public:
    /// A fresh item. Allocates only where the slab has never been that full.
    [[nodiscard]] T& claim() {
        if (free_.empty()) {
            grow();
        }
        T& item = at(free_.back());
        free_.pop_back();
        item.live = true;
        return item;
    }
    /// Ends the item's life: its destructors run now.
    void release(T& item) {
        const std::uint32_t index = item.index;
        const std::uint32_t generation = (item.generation + 1) & ((1U << kGenerationBits) - 1);
        item = T{};
        item.index = index;
        item.generation = generation;
        free_.push_back(index);
    }
    /// Null where the item is gone.
    [[nodiscard]] T* find(std::uint32_t index, std::uint32_t generation) {
        if (index >= chunks_.size() * kChunk) {
            return nullptr;
        }
        T& item = at(index);
        return item.live && item.generation == generation ? &item : nullptr;
    }

 private:
    static constexpr std::size_t kChunk = 32;

    [[nodiscard]] T& at(std::uint32_t index) { return (*chunks_[index / kChunk])[index % kChunk]; }
    void grow() {
        const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
        chunks_.push_back(std::make_unique<std::array<T, kChunk>>());
        free_.reserve(chunks_.size() * kChunk);  // so that release() never allocates
        for (auto i = static_cast<std::uint32_t>(kChunk); i > 0; --i) {
            at(first + i - 1).index = first + i - 1;
            free_.push_back(first + i - 1);
        }
    }

    std::vector<std::unique_ptr<std::array<T, kChunk>>> chunks_;
    std::vector<std::uint32_t> free_;
};

}  // namespace rk::relay
