// SPDX-License-Identifier: Apache-2.0
#include "wire/vfs_cap.h"

namespace rk::wire {

namespace {

constexpr std::uint32_t kRevisionMask = 0xff000000;
constexpr std::uint32_t kEffectiveFlag = 0x000001;

constexpr std::size_t kWord = 4;  // bytes

std::uint64_t word_at(std::string_view bytes, std::size_t index) {
    std::uint64_t value = 0;
    for (std::size_t i = kWord; i-- > 0;) {
        value = value << 8U | static_cast<unsigned char>(bytes[index * kWord + i]);
    }
    return value;
}

}  // namespace

std::optional<FileCapabilities> parse_vfs_cap(std::string_view bytes) {
    if (bytes.size() < kWord) {
        return std::nullopt;
    }
    const auto magic = static_cast<std::uint32_t>(word_at(bytes, 0));
    const std::uint32_t revision = (magic & kRevisionMask) >> 24U;
    // Words after the magic: permitted and inheritable, once or twice (the upper 32), root id.
    const std::size_t words = revision == 1 ? 3 : revision == 2 ? 5 : 6;
    if (revision < 1 || revision > 3 || bytes.size() != words * kWord) {
        return std::nullopt;
    }
    FileCapabilities capabilities;
    capabilities.effective = (magic & kEffectiveFlag) != 0;
    capabilities.permitted = word_at(bytes, 1);
    capabilities.inheritable = word_at(bytes, 2);
    if (revision >= 2) {
        capabilities.permitted |= word_at(bytes, 3) << 32U;
        capabilities.inheritable |= word_at(bytes, 4) << 32U;
    }
    if (revision == 3) {
        capabilities.root_id = static_cast<std::uint32_t>(word_at(bytes, 5));
    }
    return capabilities;
}

}  // namespace rk::wire
