// SPDX-License-Identifier: Apache-2.0
// A port driver that only keeps a list.
#pragma once

#include "api/service.h"

#include <algorithm>
#include <vector>

namespace rk::api::testing_helpers {

class FakeDriver final : public drivers::PortDriver {
 public:
    [[nodiscard]] drivers::PortDriverInfo info() override {
        return {"builtin", {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}, false, {}};
    }
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override {
        for (const model::PortStatus& port : ports) {
            if (port.spec.conflicts_with(spec)) {
                return fail("conflict with ID {}", port.id);
            }
        }
        ports.push_back({++last_id, spec});
        return ports.back();
    }
    [[nodiscard]] Result<void> remove(int id) override {
        const auto gone = std::remove_if(ports.begin(), ports.end(),
                                         [id](const model::PortStatus& p) { return p.id == id; });
        if (gone == ports.end()) {
            return fail("unknown id: {}", id);
        }
        ports.erase(gone, ports.end());
        return {};
    }
    [[nodiscard]] std::vector<model::PortStatus> list() const override { return ports; }
    [[nodiscard]] Result<drivers::PortDriverStats> stats() override {
        if (stats_fail) {
            return fail("the relay does not answer");
        }
        drivers::PortDriverStats all;
        all.health.running = true;
        all.health.pid = 77;
        for (const model::PortStatus& port : ports) {
            model::PortCounters counters;
            counters.id = port.id;
            counters.accepted = 5;
            counters.bytes_in = 100;
            all.ports.push_back(counters);
        }
        return all;
    }

    std::vector<model::PortStatus> ports;
    int last_id = 0;
    bool stats_fail = false;
};

inline Service make_service(drivers::PortDriver* ports) {
    Service service;
    service.info.version = "3.3.0+cxx.0.1.0";
    service.info.state_dir = "/run/x";
    service.info.child_pid = 42;
    service.ports = ports;
    return service;
}

}  // namespace rk::api::testing_helpers
