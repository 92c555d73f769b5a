// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The parent listens, the relay serves. A published port is an entry here: what was asked for, and
// the sockets, which stay open in the parent for the port's whole life. The relay gets copies of
// them (wire/relay_channel.h). So a relay that dies costs its connections and nothing else: the
// next one gets every socket again, and clients that came meanwhile wait in the sockets' queues.
//
// The relay is started with the first port. It is only restarted so many times a minute; past that
// the ports stay listed and the next call tries again.
//
// Adding: conflicts are looked for, the sockets made, the relay asked, and only then the ID is
// taken and the port listed; any failure before undoes all. Calls come from one loop and never
// overlap, so nothing can slip in between.
//
// Source IP is set up once, from prepare() on, in a process of its own; whoever needs to know what
// came of it, a port that clients from elsewhere can reach or `info`, waits for that.
#pragma once

#include "base/log.h"
#include "drivers/port/inherited.h"
#include "drivers/port/listen.h"
#include "drivers/port/port_driver.h"
#include "drivers/port/relay_link.h"
#include "drivers/port/source_ip.h"
#include "loop/event_loop.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

/// What the builtin driver is made of.
struct BuiltinPortParts {
    std::string argv0;  // what this program was started as, for advice
    bool source_ip_transparent = true;
    RelayStarter start_relay;
    std::function<SourceIpSetup()> set_up_source_ip;
    std::vector<InheritedSocket> inherited;
};

class BuiltinPortDriver final : public PortDriver {
 public:
    /// The logger must outlive the driver.
    BuiltinPortDriver(BuiltinPortParts parts, const Logger& log);
    ~BuiltinPortDriver() override;

    /// Lets `loop` watch the relay from now on: its log lines and its death. Without it both are
    /// noticed at the next call. The loop must outlive the driver, or detach() be called before.
    void attach(loop::EventLoop& loop) override;
    void detach();

    void prepare() override;
    [[nodiscard]] Result<void> start() override { return need_relay(); }
    [[nodiscard]] PortDriverInfo info() override;
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override;
    [[nodiscard]] Result<void> remove(int id) override;
    [[nodiscard]] std::vector<model::PortStatus> list() const override;
    [[nodiscard]] Result<PortDriverStats> stats() override;

 private:
    struct Entry {
        model::PortStatus status;
        SocketKind kind = SocketKind::kTcp;
        model::IpAddress target;
        bool transparent = false;
        std::vector<sys::Fd> sockets;  // in the order of the ports
    };

    [[nodiscard]] Result<Entry> listen(const model::PortSpec& spec) const;
    [[nodiscard]] Result<Listener> listen_on_one(const model::PortSpec& spec,
                                                 std::uint16_t port) const;
    [[nodiscard]] bool wants_source_ip(const Entry& entry);
    [[nodiscard]] Result<void> publish(const Entry& entry);
    [[nodiscard]] Result<void> hand_over(const Entry& entry);

    [[nodiscard]] Result<void> need_relay();
    [[nodiscard]] Result<void> start_relay();
    [[nodiscard]] bool may_restart();
    void drop_relay();
    void relay_died();
    [[nodiscard]] const SourceIpSupport& source_ip();
    void watch();
    void watch_source_ip();
    void on_channel();

    BuiltinPortParts parts_;
    const Logger& log_;
    loop::EventLoop* loop_ = nullptr;
    std::map<int, Entry> entries_;
    int next_id_ = 1;
    std::optional<SourceIpSetup> source_ip_;  // always there; optional as it cannot be assigned
    std::unique_ptr<RelayLink> relay_;
    std::uint64_t restarts_ = 0;
    std::deque<std::chrono::steady_clock::time_point> recent_restarts_;
};

}  // namespace rk::drivers
