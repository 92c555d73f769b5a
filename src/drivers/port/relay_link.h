// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "model/port_status.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/process.h"
#include "wire/relay_channel.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::drivers {

/// A relay process that was just started: our child, and our end of the channel to it.
struct RelayConnection {
    sys::Fd channel;
    pid_t pid = 0;
};
using RelayStarter = std::function<Result<RelayConnection>()>;

/// What a relay counts, in full.
struct RelayStats {
    model::RelayHealth health;
    std::vector<model::PortCounters> ports;        // published ones
    std::vector<model::PortCounters> local_ports;  // its own (relay::RelayParts::local_ports)
    std::string extra;                             // what its guests tell
};

/// One relay process and what we ask it: each call sends a request and waits for the answer, for at
/// most two seconds. The process is killed and reaped at the end of this object's life.
///
/// Once an error has come for which gone() is true no further call succeeds.
class RelayLink {
 public:
    RelayLink(RelayConnection relay, const Logger& log) : relay_(std::move(relay)), log_(log) {}
    RelayLink(const RelayLink&) = delete;
    RelayLink& operator=(const RelayLink&) = delete;
    RelayLink(RelayLink&&) = delete;
    RelayLink& operator=(RelayLink&&) = delete;
    ~RelayLink();

    /// Hands a socket over. `port.request` is filled in here.
    [[nodiscard]] Result<void> add(wire::AddPort port, sys::FdRef socket);
    [[nodiscard]] Result<void> remove(int id);
    [[nodiscard]] Result<RelayStats> stats();
    /// Says something to what lives in the relay beside published ports; at most wire::kMaxTell
    /// bytes.
    [[nodiscard]] Result<void> tell(std::string text);

    /// Takes what has come unasked (lines for the log).
    void take_pending();
    [[nodiscard]] bool gone() const { return gone_; }

    /// Kills and reaps it; says how it ended.
    sys::ExitStatus end();

    [[nodiscard]] sys::FdRef channel() const { return relay_.channel; }
    [[nodiscard]] pid_t pid() const { return relay_.pid; }

 private:
    [[nodiscard]] Result<void> send(const wire::RelayMessage& message,
                                    std::optional<sys::FdRef> socket, sys::Deadline deadline);
    [[nodiscard]] Result<wire::RelayMessage> answer(std::uint32_t request, sys::Deadline deadline);
    [[nodiscard]] Result<void> done(std::uint32_t request, sys::Deadline deadline);
    [[nodiscard]] Result<std::optional<wire::RelayMessage>> receive();
    [[nodiscard]] Error lost(Error why);

    RelayConnection relay_;
    const Logger& log_;
    std::uint32_t next_request_ = 1;
    bool gone_ = false;
};

}  // namespace rk::drivers
