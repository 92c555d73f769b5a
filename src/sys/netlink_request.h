// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// A netlink request is a header, a fixed structure that depends on its type, and attributes
// (type, length, payload), each padded to 4 bytes; attributes may contain attributes. Integers are
// in host byte order, but for those of nf_tables, which are big-endian. NetlinkMessage builds one
// in a string, so nothing is ever written outside of it; NetlinkSocket sends it and waits for the
// kernel's acknowledgement, which is 0 or an errno.
//
// nfnetlink's transactions (nf_tables) are several messages in one packet between two marker
// messages; each is acknowledged by itself, the first error undoes all.
#pragma once

#include "base/result.h"
#include "sys/fd.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace rk::sys {

/// One request. Not copied around by hand: put the pieces in order, then send.
class NetlinkMessage {
 public:
    /// NLM_F_REQUEST and NLM_F_ACK are added to `flags`.
    NetlinkMessage(std::uint16_t type, std::uint16_t flags);

    /// The fixed structure, directly after the header.
    template <typename T>
    NetlinkMessage& body(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        // NOLINTNEXTLINE(*-reinterpret-cast): kernel ABI
        return append({reinterpret_cast<const char*>(&value), sizeof value});
    }
    NetlinkMessage& attribute(std::uint16_t type, std::string_view payload);
    NetlinkMessage& u8(std::uint16_t type, std::uint8_t value);
    NetlinkMessage& big_endian_u16(std::uint16_t type, std::uint16_t value);
    NetlinkMessage& u32(std::uint16_t type, std::uint32_t value);
    NetlinkMessage& big_endian_u32(std::uint16_t type, std::uint32_t value);
    /// With its zero byte, as the kernel wants names.
    NetlinkMessage& text(std::uint16_t type, std::string_view value);
    /// An attribute that contains what `content` adds.
    NetlinkMessage& nested(std::uint16_t type, const std::function<void(NetlinkMessage&)>& content);

    /// Everything that was put into another one.
    NetlinkMessage& contents_of(const NetlinkMessage& other) { return append(other.bytes_); }

    [[nodiscard]] std::uint16_t type() const { return type_; }
    /// The finished bytes, with its length and this sequence number filled in.
    [[nodiscard]] std::string finished(std::uint32_t sequence) const;

 private:
    NetlinkMessage& append(std::string_view raw);

    std::uint16_t type_;
    std::uint16_t flags_;
    std::string bytes_;  // what follows the header
};

/// One netlink socket of the calling process' network namespace.
class NetlinkSocket {
 public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER.
    [[nodiscard]] static Result<NetlinkSocket> open(int protocol);

    /// Sends a request and waits for its acknowledgement. The error has the kernel's errno.
    [[nodiscard]] Result<void> request(const NetlinkMessage& message);
    /// The same for a thing that may be there already: EEXIST is success.
    [[nodiscard]] Result<void> create(const NetlinkMessage& message);
    /// For who sends and receives by himself.
    [[nodiscard]] FdRef fd() const { return socket_; }
    [[nodiscard]] Fd release() && { return std::move(socket_); }
    /// A transaction of nf_tables: all or nothing. The error is the first message's that failed.
    [[nodiscard]] Result<void> nftables_transaction(std::span<const NetlinkMessage> messages);

 private:
    explicit NetlinkSocket(Fd socket) : socket_(std::move(socket)) {}
    [[nodiscard]] Result<void> send(std::string_view packet) const;
    [[nodiscard]] Result<void> acknowledgements(std::uint32_t first, std::size_t count) const;

    Fd socket_;
    std::uint32_t next_sequence_ = 1;
};

/// Looks for the acknowledgement of sequence number `wanted` in one packet from the kernel: 0 or an
/// errno, or nothing where it is about something else. Bounds-checked; pure.
[[nodiscard]] std::optional<int> find_acknowledgement(std::string_view packet,
                                                      std::uint32_t wanted);

}  // namespace rk::sys
