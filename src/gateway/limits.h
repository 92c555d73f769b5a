// SPDX-License-Identifier: Apache-2.0
//
// Every limit of the builtin network, with its unit and its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rk::gateway {

/// Connections that wait to be accepted by the relay; they have been admitted one by one.
inline constexpr int kBacklog = 16384;

/// Bytes copied of a held packet: IPv6 with its extension headers, and TCP's.
inline constexpr std::uint32_t kQueuedBytes = 160;
/// Held packets of one queue, in the kernel: a burst of connections, or a flood.
inline constexpr std::uint32_t kMaxQueuedPackets = 4096;
/// Receive buffer of a queue's socket (bytes): as many packets as the queue may hold.
inline constexpr int kQueueSocketBytes = 4 << 20;
/// Packets taken from a queue before other events get their turn.
inline constexpr int kPacketsPerWake = 64;

/// Connections of one worker that wait for the other end. Past it the oldest is given up, which is
/// the one least likely to be answered: in a flood of SYNs to nowhere a live destination answers
/// long before its turn.
inline constexpr std::size_t kMaxHeldCalls = 1024;
/// At most one in this many descriptors waits.
inline constexpr std::size_t kHeldShareOfFds = 4;
/// A connection that is open outside and was never accepted inside: who asked for it is gone.
inline constexpr std::int64_t kUnclaimedMs = 1500;
/// ... and of these there are no more than so many, and at most one in kHeldShareOfFds descriptors;
/// then the oldest goes.
inline constexpr std::size_t kMaxUnclaimed = 4096;

/// UDP flows of all workers; least recently used out. Two descriptors each.
inline constexpr std::size_t kMaxUdpFlows = 16384;
/// At most one in this many descriptors goes to UDP flows.
inline constexpr std::size_t kFlowShareOfFds = 2;
/// A flow ends so long after its last datagram of either direction (RFC 4787, REQ-5: not less than
/// two minutes; five are recommended).
inline constexpr std::int64_t kUdpIdleMs = 180000;
/// A question for the name server that is never answered.
inline constexpr std::int64_t kDnsIdleMs = 10000;
/// One whose answers have all come: a late duplicate may still follow.
inline constexpr std::int64_t kDnsAnsweredMs = 100;
/// Batches of one UDP socket before others get their turn.
inline constexpr int kUdpRounds = 4;

/// ICMP errors that one worker sends in a second.
inline constexpr unsigned kErrorsPerSecond = 1000;

/// Echo requests of one worker that wait for their answer.
inline constexpr std::size_t kMaxEchoes = 256;
/// ping(8) waits ten seconds for the last one.
inline constexpr std::int64_t kEchoPatienceMs = 10000;

}  // namespace rk::gateway
