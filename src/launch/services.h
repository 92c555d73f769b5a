// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.h"
#include "base/log.h"
#include "base/result.h"
#include "drivers/network/network_driver.h"
#include "drivers/port/implicit.h"
#include "drivers/port/port_driver.h"
#include "drivers/port/relay_keeper.h"
#include "launch/state_dir.h"
#include "loop/event_loop.h"
#include "model/options.h"
#include "ns/id_map_writer.h"
#include "ns/target_namespaces.h"
#include "sys/environment.h"

#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace rk::launch {

/// What the parent offers while the command runs is made from this. Borrowed things outlive
/// Services.
struct ServicesPlan {
    const model::Options& options;
    drivers::NetworkDriver* network = nullptr;  // null without an interface
    const StateDir& state_dir;
    const sys::Environment& environment;
    std::string version;  // of this program, for the API
    std::string argv0;    // as which it was started, for advice
    pid_t child = 0;
    ns::IdMaps maps;

    /// Whether the network is our own relay's work.
    [[nodiscard]] bool carries_network() const;
};

/// Published ports and the REST API of one run.
class Services {
 public:
    /// Makes the port driver and publishes every port of the command line, in order. The namespaces
    /// must be configured. Error: "failed to expose port {tcp 127.0.0.1 80 80 }: why".
    [[nodiscard]] static Result<Services> start(ServicesPlan plan, const Logger& log);

    /// Opens api.sock. Clients may connect from now on and are answered once serve() was called.
    [[nodiscard]] Result<void> open_api();
    /// Lets the loop serve clients and watch what serves the ports. It must outlive this.
    [[nodiscard]] Result<void> serve(loop::EventLoop& loop);
    /// Sockets of socket activation, by their place, that are published and so not the command's.
    [[nodiscard]] std::vector<std::uint16_t> withheld_sockets() const;

 private:
    Services(ServicesPlan plan, const Logger& log) : plan_(std::move(plan)), log_(log) {}
    /// Whether command line and API publish ports.
    [[nodiscard]] bool publishes_by_request() const;
    [[nodiscard]] Result<void> make_relay();
    [[nodiscard]] Result<void> make_port_driver();
    [[nodiscard]] Result<void> publish();
    [[nodiscard]] Result<void> publish_one(const model::PortSpec& spec);
    [[nodiscard]] Result<void> publish_implicitly(loop::EventLoop& loop);

    ServicesPlan plan_;
    const Logger& log_;
    std::shared_ptr<ns::TargetNamespaces> target_;
    std::shared_ptr<drivers::RelayKeeper> relay_;
    std::unique_ptr<drivers::PortDriver> ports_;
    std::unique_ptr<drivers::ImplicitPorts> implicit_;  // uses ports_
    std::unique_ptr<api::Server> server_;
};

}  // namespace rk::launch
