// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Parent and child talk over one SOCK_SEQPACKET pair; each packet is one message below. The order:
//
//   parent                          child
//   ------                          -----
//   clone ------------------------> waits, still running the parent's program image
//   newuidmap, newgidmap
//   IdMapDone --------------------> execs /proc/self/exe (same PID), so that /proc/PID/environ
//   shows ChildConfig                     the documented variables and the image is fresh
//                                   procfs, detached netns
//             <-------------------- NamespacesReady
//   cgroup2 evacuation, network
//   ParentReady ------------------> propagation, copy-up, sysfs, interface, /etc files
//             <-------------------- SetUpDone
//   child_pid, api.sock
//   StartCommand -----------------> starts the command
//   ForwardSignal ----------------> (any number)
//             <-------------------- CommandStopped (any number: job control)
//
// SetUpFailed may come from the child at any time before SetUpDone. The death of either side is EOF
// for the other. Nothing here is a stable format: both sides are the same binary.
#pragma once

#include "base/result.h"
#include "model/network_setup.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rk::wire {

/// The first byte of every packet.
enum class MessageKind : std::uint8_t {
    kIdMapDone = 1,
    kChildConfig,
    kNamespacesReady,
    kParentReady,
    kSetUpDone,
    kStartCommand,
    kForwardSignal,
    kCommandStopped,
    kSetUpFailed,
};

/// Where the child failed. The parent's doctor turns it into a cause and a remedy.
enum class ChildStep : std::uint8_t { kExec = 1, kCapabilities, kMount, kNetwork, kCommand };

struct IdMapDone {};
struct ChildConfig {
    std::uint64_t signal_mask = 0;  // bit N-1 = signal N was blocked when we were started
    bool sigchld_ignored = false;   // SIGCHLD was SIG_IGN when we were started
    bool activated = false;         // LISTEN_PID named us: the command gets its own PID there
};
struct NamespacesReady {};
struct ParentReady {
    std::optional<model::NetworkSetup> network;  // empty: there is no interface to set up
};
struct SetUpDone {};
struct StartCommand {
    /// Sockets of socket activation, by their place (0 is descriptor 3), that are published as
    /// ports, and so are not for the command.
    std::vector<std::uint16_t> withheld;
};
struct ForwardSignal {
    std::uint8_t signal_number = 0;  // 1..64
    bool from_terminal = false;      // the kernel sent it to the whole foreground group
    std::uint32_t stops = 0;         // how many CommandStopped the sender had read by then
};
struct CommandStopped {
    std::uint8_t signal_number = 0;
};
struct SetUpFailed {
    ChildStep step = ChildStep::kExec;
    std::uint32_t code = 0;  // errno
    std::string message;     // empty where only raw system calls may be made
};

using Message = std::variant<IdMapDone, ChildConfig, NamespacesReady, ParentReady, SetUpDone,
                             StartCommand, ForwardSignal, CommandStopped, SetUpFailed>;

/// No packet is longer (bytes).
inline constexpr std::size_t kMaxHandshakeBytes = 8192;

[[nodiscard]] std::string encode(const Message& message);
[[nodiscard]] Result<Message> decode(std::string_view packet);

}  // namespace rk::wire
