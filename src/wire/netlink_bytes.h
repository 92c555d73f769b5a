// SPDX-License-Identifier: Apache-2.0
//
// What every reader and writer of netlink bytes needs: padding, and structures of the kernel's out
// of bytes that may be too few. Pure; nothing here reads past its span.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include <linux/netlink.h>

namespace rk::wire {

/// Of messages and of attributes.
inline constexpr std::size_t kNetlinkAlignment = 4;
static_assert(kNetlinkAlignment == NLMSG_ALIGNTO && kNetlinkAlignment == NLA_ALIGNTO);

constexpr std::size_t netlink_aligned(std::size_t size) {
    return (size + kNetlinkAlignment - 1) / kNetlinkAlignment * kNetlinkAlignment;
}

/// A structure of the kernel's at the beginning of `bytes`; nothing where they are too few.
template <typename T>
[[nodiscard]] std::optional<T> read_netlink(std::span<const std::byte> bytes) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() < sizeof(T)) {
        return std::nullopt;
    }
    T value{};
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

/// Without the first `size` bytes and their padding; the last one's padding may be missing.
[[nodiscard]] inline std::span<const std::byte> after_netlink(std::span<const std::byte> bytes,
                                                              std::size_t size) {
    return bytes.subspan(std::min(netlink_aligned(size), bytes.size()));
}

/// One message or attribute, and what it contains.
template <typename Header>
struct NetlinkPiece {
    Header header;
    std::span<const std::byte> content;
};

/// Takes the next message off `rest`; nothing where its length is wrong.
[[nodiscard]] inline std::optional<NetlinkPiece<nlmsghdr>> take_netlink_message(
    std::span<const std::byte>& rest) {
    const auto header = read_netlink<nlmsghdr>(rest);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest.size()) {
        return std::nullopt;
    }
    const auto content = rest.first(header->nlmsg_len).subspan(sizeof(nlmsghdr));
    rest = after_netlink(rest, header->nlmsg_len);
    return NetlinkPiece<nlmsghdr>{*header, content};
}

/// The same for an attribute.
[[nodiscard]] inline std::optional<NetlinkPiece<nlattr>> take_netlink_attribute(
    std::span<const std::byte>& rest) {
    const auto header = read_netlink<nlattr>(rest);
    if (!header || header->nla_len < sizeof(nlattr) || header->nla_len > rest.size()) {
        return std::nullopt;
    }
    const auto content = rest.first(header->nla_len).subspan(sizeof(nlattr));
    rest = after_netlink(rest, header->nla_len);
    return NetlinkPiece<nlattr>{*header, content};
}

}  // namespace rk::wire
