// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The kernel hands packets to a program through nfnetlink_queue: a netlink datagram holds one or
// several messages, each a packet that waits for our verdict or the answer to a request of ours
// (0 or an errno). A packet's message is a fixed header and attributes in any order, of which we
// need five; the rest is skipped. Integers of this subsystem are big-endian, those of netlink
// itself are in host order.
//
// QueueReader walks a received datagram and never reads past it; what it yields points into the
// datagram, nothing is copied or allocated. The builders write whole messages into the caller's
// buffer and say how many bytes they took, 0 where they do not fit. Verdicts ask for no
// acknowledgement: a verdict for a packet that is gone (its queue was flushed) is answered with an
// error, which is the reader's QueueAnswer, and is of no consequence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

namespace rk::wire {

/// A packet that the kernel holds until a verdict on `id` is sent to `queue`.
struct QueuedPacket {
    std::uint32_t id = 0;
    std::uint16_t queue = 0;
    std::uint16_t ethertype = 0;  // 0x0800 or 0x86dd, host order
    std::uint32_t mark = 0;
    std::span<const std::byte> bytes;  // from the IP header on, as far as the queue copies
    std::uint32_t size = 0;            // of the whole packet
};

/// The kernel's answer to the request with this sequence number: 0 or an errno.
struct QueueAnswer {
    std::uint32_t sequence = 0;
    int code = 0;
};

using QueueMessage = std::variant<QueuedPacket, QueueAnswer>;

/// The messages of one received datagram, in order.
class QueueReader {
 public:
    explicit QueueReader(std::span<const std::byte> datagram) : rest_(datagram) {}

    /// The next packet or answer; nothing at the end. Messages of other kinds are skipped.
    [[nodiscard]] std::optional<QueueMessage> next();
    /// Messages that were no valid ones, so far. After a wrong length the rest is not looked at.
    [[nodiscard]] std::size_t rejected() const { return rejected_; }

 private:
    std::span<const std::byte> rest_;
    std::size_t rejected_ = 0;
};

/// What happens to a held packet.
enum class Verdict : std::uint8_t { kDrop, kAccept };

/// Bytes of the largest message that a builder below makes.
inline constexpr std::size_t kMaxQueueMessage = 64;

/// Requests; each asks for an acknowledgement. They return the bytes written, 0 where `out` is too
/// small.
[[nodiscard]] std::size_t put_queue_bind(std::span<std::byte> out, std::uint32_t sequence,
                                         std::uint16_t queue);
[[nodiscard]] std::size_t put_queue_unbind(std::span<std::byte> out, std::uint32_t sequence,
                                           std::uint16_t queue);
/// Copies the first `range` bytes of each packet.
[[nodiscard]] std::size_t put_queue_copy(std::span<std::byte> out, std::uint32_t sequence,
                                         std::uint16_t queue, std::uint32_t range);
/// Packets beyond `packets` waiting ones are dropped by the kernel.
[[nodiscard]] std::size_t put_queue_length(std::span<std::byte> out, std::uint32_t sequence,
                                           std::uint16_t queue, std::uint32_t packets);
/// A full queue drops (fail-open off), and large packets come unsegmented (GSO on).
[[nodiscard]] std::size_t put_queue_flags(std::span<std::byte> out, std::uint32_t sequence,
                                          std::uint16_t queue);
/// One verdict; with a mark, the packet goes on with that mark.
[[nodiscard]] std::size_t put_verdict(std::span<std::byte> out, std::uint16_t queue,
                                      std::uint32_t id, Verdict verdict,
                                      std::optional<std::uint32_t> mark = std::nullopt);

/// The same verdict for all packets that are held up to this one.
[[nodiscard]] std::size_t put_verdict_up_to(std::span<std::byte> out, std::uint16_t queue,
                                            std::uint32_t id, Verdict verdict);

/// Verdicts that leave in one send.
class VerdictBatch {
 public:
    explicit VerdictBatch(std::span<std::byte> buffer) : buffer_(buffer) {}

    /// False where it does not fit any more: send bytes(), clear(), add again.
    [[nodiscard]] bool add(std::uint16_t queue, std::uint32_t id, Verdict verdict,
                           std::optional<std::uint32_t> mark = std::nullopt);
    [[nodiscard]] std::span<const std::byte> bytes() const { return buffer_.first(used_); }
    [[nodiscard]] bool empty() const { return used_ == 0; }
    void clear() { used_ = 0; }

 private:
    std::span<std::byte> buffer_;
    std::size_t used_ = 0;
};

}  // namespace rk::wire
