// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace rk::tools {

/// One permitted text of a flag and what it means.
template <typename T>
struct Choice {
    std::string_view text;
    T value;
};

/// The meaning of a text; empty where it is not in the table.
template <typename T, std::size_t N>
[[nodiscard]] constexpr std::optional<T> choose(const std::array<Choice<T>, N>& choices,
                                                std::string_view text) {
    for (const Choice<T>& choice : choices) {
        if (choice.text == text) {
            return choice.value;
        }
    }
    return std::nullopt;
}

}  // namespace rk::tools
