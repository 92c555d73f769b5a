// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "loop/event_loop.h"
#include "model/network_info.h"
#include "model/port_status.h"

#include <map>
#include <string>
#include <vector>

namespace rk::drivers {

/// What the API tells about a port driver.
struct PortDriverInfo {
    std::string driver;
    std::vector<std::string> protos;
    bool disallow_loopback_child_ip = false;
    std::map<std::string, std::string> extra;  // shown as portDriver.extra
};

/// What is counted, for /v1/stats.
struct PortDriverStats {
    model::RelayHealth health;
    std::vector<model::PortCounters> ports;
};

/// Of ports that live in a network driver's helper, which counts nothing: there are no ports in it.
[[nodiscard]] inline PortDriverStats stats_of_helper(const model::HelperHealth& helper) {
    PortDriverStats stats;
    stats.health.running = helper.running;
    stats.health.pid = helper.pid;
    stats.health.restarts = helper.restarts;
    return stats;
}

/// Publishes ports of the namespace on the host. Driven by the parent's loop only, so calls never
/// overlap; each call is bounded in time.
class PortDriver {
 public:
    PortDriver() = default;
    PortDriver(const PortDriver&) = delete;
    PortDriver& operator=(const PortDriver&) = delete;
    PortDriver(PortDriver&&) = delete;
    PortDriver& operator=(PortDriver&&) = delete;
    virtual ~PortDriver() = default;

    /// What has to be done once, in the configured namespaces, before the first call below.
    virtual void prepare() {}
    /// Lets the loop watch whatever serves the ports from now on; it must outlive the driver.
    virtual void attach(loop::EventLoop& /*loop*/) {}
    /// The helper of the network driver was lost, or a new one carries packets: for drivers whose
    /// ports live in it.
    virtual void network_changed(const model::HelperHealth& /*health*/) {}

    [[nodiscard]] virtual PortDriverInfo info() = 0;
    /// Publishes a port; returns once it listens. parent_port 0 asks for a free host port, which
    /// the returned spec names.
    [[nodiscard]] virtual Result<model::PortStatus> add(const model::PortSpec& spec) = 0;
    /// Closes the listener and every live connection and flow of the port.
    [[nodiscard]] virtual Result<void> remove(int id) = 0;
    /// Sorted by ID; specs exactly as submitted.
    [[nodiscard]] virtual std::vector<model::PortStatus> list() const = 0;
    [[nodiscard]] virtual Result<PortDriverStats> stats() = 0;
    /// Sockets of socket activation, by their place (0 is descriptor 3), that ports listen on.
    [[nodiscard]] virtual std::vector<std::uint16_t> inherited_in_use() const { return {}; }
};

}  // namespace rk::drivers
