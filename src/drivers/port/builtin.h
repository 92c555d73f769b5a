// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The parent listens, the relay serves. A published port is an entry here: what was asked for, and
// the sockets, which stay open in the parent for the port's whole life. The relay gets copies of
// them (wire/relay_channel.h). So a relay that dies costs its connections and nothing else: the
// next one gets every socket again, and clients that came meanwhile wait in the sockets' queues.
//
// The relay is started with the first port, unless somebody else (the builtin network) needed it
// before; relay_keeper.h restarts it.
//
// Adding: conflicts are looked for, the sockets made, the relay asked, and only then the ID is
// taken and the port listed; any failure before undoes all. Calls come from one loop and never
// overlap, so nothing can slip in between.
//
// Source IP is set up once, from prepare() on, in a process of its own; whoever needs to know what
// came of it, a port that clients from elsewhere can reach or `info`, waits for that.
//
// With the builtin network, ports are called from its gateway (GatewayTargets): source IP then
// takes nothing of the namespace, for UDP neither. What listens on the namespace's loopback alone
// is called from inside when the namespace's address refuses. Only that needs source IP from
// inside, which is then set up with the first port that can need it.
#pragma once

#include "base/log.h"
#include "drivers/port/child_address.h"
#include "drivers/port/inherited.h"
#include "drivers/port/listen.h"
#include "drivers/port/port_driver.h"
#include "drivers/port/relay_keeper.h"
#include "drivers/port/relay_link.h"
#include "drivers/port/source_ip.h"
#include "loop/event_loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

/// What the builtin driver is made of.
struct BuiltinPortParts {
    std::string argv0;             // what this program was started as, for advice
    std::string name = "builtin";  // in the API
    bool source_ip_transparent = true;
    /// Empty: one of its own, which `start_relay` starts.
    std::shared_ptr<RelayKeeper> relay{};
    RelayStarter start_relay{};
    /// Empty: sockets inside cannot carry a client's address.
    std::function<SourceIpSetup()> set_up_source_ip{};
    /// With the builtin network, whose relay is then `relay`.
    std::optional<GatewayTargets> gateway{};
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
    [[nodiscard]] PortDriverInfo info() override;
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override;
    [[nodiscard]] Result<void> remove(int id) override;
    [[nodiscard]] std::vector<model::PortStatus> list() const override;
    [[nodiscard]] Result<PortDriverStats> stats() override;
    [[nodiscard]] std::vector<std::uint16_t> inherited_in_use() const override;

 private:
    struct Entry {
        model::PortStatus status;
        SocketKind kind = SocketKind::kTcp;
        PortTarget target;
        bool transparent = false;
        bool fallback_transparent = false;
        std::vector<Listener> listeners;  // in the order of the ports
    };

    [[nodiscard]] Result<Entry> listen(const model::PortSpec& spec) const;
    [[nodiscard]] Result<Listener> listen_on_one(const model::PortSpec& spec,
                                                 std::uint16_t port) const;
    void choose_source_ip(Entry& entry);
    [[nodiscard]] bool source_ip_inside(const model::IpAddress& target);
    void begin_source_ip();
    [[nodiscard]] const SourceIpSupport& source_ip();
    void watch_source_ip();
    [[nodiscard]] Result<void> publish(const Entry& entry);
    [[nodiscard]] static Result<void> hand_over(RelayLink& relay, const Entry& entry);
    [[nodiscard]] Result<void> restore(RelayLink& relay);

    BuiltinPortParts parts_;
    const Logger& log_;
    loop::EventLoop* loop_ = nullptr;
    std::map<int, Entry> entries_;
    int next_id_ = 1;
    std::optional<SourceIpSetup> source_ip_;  // always there; optional as it cannot be assigned
    bool source_ip_begun_ = false;
};

}  // namespace rk::drivers
