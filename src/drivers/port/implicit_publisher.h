// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// Keeps what another port driver publishes equal to what is wanted: each update() removes what is
// wanted no more, or leads elsewhere now, and adds what is new.
//
// A port that cannot be had (somebody on the host has it, it is privileged) is told once, tried
// again every kImplicitRetry, and told again when the reason is another one or when it was had at
// last. So many changes are made at once; the rest waits for the next update.
//
// A service may stop to listen and go on with the connections it has (one-shot servers do, and
// those that shut down in peace). Removing a port ends its connections, so a TCP port whose
// listener is gone stays until the last of them has ended by itself.
#pragma once

#include "base/log.h"
#include "drivers/port/implicit_wanted.h"
#include "drivers/port/port_driver.h"

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace rk::drivers {

/// Until a port that could not be had is tried again: soon for a person who waits, seldom enough
/// for a thousand of them.
inline constexpr std::chrono::milliseconds kImplicitRetry{1000};
/// Ports opened and closed in one update, each of which takes a question to the relay.
inline constexpr std::size_t kImplicitChangesPerUpdate = 128;

class ImplicitPublisher {
 public:
    using Time = std::chrono::steady_clock::time_point;

    /// Both outlive this. Nobody else adds to `ports`.
    ImplicitPublisher(PortDriver& ports, const Logger& log) : ports_(ports), log_(log) {}

    void update(const ImplicitTargets& wanted, Time now);

 private:
    struct Entry {
        model::IpAddress target;
        std::optional<int> id{};  // of the port driver; empty: not had yet
        Time retry{};
    };
    using Entries = std::map<ImplicitPort, Entry>;

    void remove_unwanted(const ImplicitTargets& wanted);
    [[nodiscard]] std::set<int> busy_ports() const;
    void try_to_have(const ImplicitPort& port, Entry& entry, Time now);
    void complain(const ImplicitPort& port, const Error& why);

    PortDriver& ports_;
    const Logger& log_;
    Entries entries_;
    std::map<ImplicitPort, std::string> complaints_;  // what was told, by port
    std::size_t changes_left_ = 0;
};

}  // namespace rk::drivers
