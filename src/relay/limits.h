// SPDX-License-Identifier: Apache-2.0
//
// Every limit of the relay, with its unit and its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rk::relay {

/// Threads. More than four only move the bottleneck to the memory bus: one carries about 20 Gbit/s.
inline constexpr unsigned kMaxWorkers = 4;

/// Events of one epoll_wait(2): what is handled before timers and closed sockets get their turn.
inline constexpr int kEventsPerWake = 64;

/// Connections accepted in one go from one listener, so that a flood of new ones does not starve
/// the old ones.
inline constexpr int kAcceptsPerWake = 8;

/// A worker with this many more connections than the idlest one gives a new one away. One is what
/// spreads a handful of bulk transfers over the cores; short connections rarely meet it.
inline constexpr std::uint32_t kLoadImbalance = 1;

/// Bytes read at once while a direction has not proved to be a bulk transfer. Larger requests are
/// rare, and a slow receiver may make us keep this much per direction.
inline constexpr std::size_t kCopyBytes = std::size_t{16} << 10U;

/// Bytes a splice pipe holds (128 slots). Measured on loopback, CPU seconds per GB: 0.27 with 128
/// KiB, 0.26 with 256, 0.21 with 512, 0.22 with 1024.
inline constexpr std::size_t kPipeBytes = std::size_t{512} << 10U;
/// A pipe that the kernel would not make larger than this is not worth its system calls.
inline constexpr std::size_t kSmallestPipeBytes = std::size_t{64} << 10U;
/// Pipes of the process: half of what pipe-user-pages-soft (16384 pages) leaves one user at 128
/// each.
inline constexpr std::size_t kMaxPipes = 64;
/// At most one in this many of the descriptors we may open goes to pipes (two each).
inline constexpr std::size_t kPipeShareOfFds = 8;
/// Empty pipes and blocks a worker keeps for the next transfer.
inline constexpr std::size_t kIdlePipes = 8;
inline constexpr std::size_t kIdleBlocks = 16;
/// After the user's pipe limit was met, copying for so long before asking again.
inline constexpr std::int64_t kPipeRetryMs = 1000;

/// Receive buffer (SO_RCVBUF, which the kernel doubles) of connections that do not leave this
/// machine. What the kernel grants by itself there, up to 32 MiB, only fills the processor's
/// caches: measured, this gives 5 to 8 % more throughput for 10 % less CPU time. Other connections
/// need what their round-trip time makes of it.
inline constexpr int kLocalReceiveBytes = 1 << 20;

/// Buffers or pipes moved for one direction before other connections get their turn: 2 MiB at most.
inline constexpr int kPumpRounds = 4;

/// A listener rests so long after descriptors ran out. Also the time after which it is noticed that
/// another worker or process has given some back.
inline constexpr std::int64_t kStarvedPauseMs = 50;
/// ... and the log hears of it no more often than this.
inline constexpr std::int64_t kStarvedLogMs = 60000;

/// Descriptors that are not counted one by one: the standard ones, channel, epolls, a few to spare.
inline constexpr std::size_t kReservedFds = 16;

/// A transparent connect that is not answered in this time takes the wrong way back.
inline constexpr std::int64_t kTransparentTimeoutMs = 1000;
/// The same from the gateway, where answers always find their way unless something inside has the
/// client's network, too: long enough for a SYN that was lost in a full queue (again after 1 s).
inline constexpr std::int64_t kGatewayTimeoutMs = 2500;
/// Firewall mark of transparent sockets; the namespace's routing rule and its table match it.
inline constexpr int kTransparentMark = 100;

/// Keep-alive: a client or container that vanished is noticed after 60 + 5 * 15 seconds.
inline constexpr int kKeepIdleSeconds = 60;
inline constexpr int kKeepIntervalSeconds = 15;
inline constexpr int kKeepProbes = 5;

/// Datagrams (or bundles of them, with UDP_GRO) received in one call.
inline constexpr std::size_t kUdpBatch = 32;
/// Bytes of each receive buffer: the largest datagram or bundle. Untouched pages cost nothing.
inline constexpr std::size_t kUdpSlotBytes = 65536;
/// Batches of one socket before others get their turn.
inline constexpr int kUdpRounds = 4;
/// Segments and bytes of one bundle sent with UDP_SEGMENT (UDP_MAX_SEGMENTS is 64 up to Linux 6.8;
/// the IP length field ends the other).
inline constexpr std::size_t kUdpMaxSegments = 64;
inline constexpr std::size_t kUdpMaxBundle = 65000;
/// Receive buffer asked for each UDP socket (bytes): room for a burst while the worker is away.
inline constexpr int kUdpSocketBytes = 1 << 20;
/// First datagrams that a worker keeps until it is known that somebody listens (bytes), and for how
/// long: a refusal comes at once, unless the question who has the address (ARP) was lost and is
/// asked again a second later.
inline constexpr std::size_t kUdpKeptBytes = std::size_t{1} << 20U;
inline constexpr std::int64_t kUdpKeptMs = 2500;
/// A flow that is refused at both of its targets begins anew, but not more often than this.
inline constexpr std::int64_t kUdpAnewMs = 1000;
/// After a refusal new flows of a port go to its fallback at once for so long: a kernel refuses one
/// client only once a second (net.ipv4.icmp_ratelimit), and so not each of its flows.
inline constexpr std::int64_t kUdpRefusedMs = 10000;
/// UDP flows take at most one in this many descriptors, so that TCP keeps working under a flood.
inline constexpr std::size_t kFlowShareOfFds = 2;

/// Idle sockets that a source of another namespace keeps of each kind: what the busiest second of
/// new connections takes while its thread waits for a processor. Refilled below half.
inline constexpr std::size_t kPoolSockets = 32;
/// ... but at most one in this many of the descriptors we may open.
inline constexpr std::size_t kPoolShareOfFds = 32;
/// Sockets made before those who wait get theirs.
inline constexpr std::size_t kPoolBatch = 8;
/// Who asks an empty pool waits no longer than this: its worker does nothing else meanwhile.
inline constexpr int kPoolPatienceMs = 100;

/// Answers waiting for a parent that does not read; past it no more requests are taken.
inline constexpr std::size_t kMaxQueuedReplies = 64;

}  // namespace rk::relay
