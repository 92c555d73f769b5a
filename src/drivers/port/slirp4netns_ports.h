// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// slirp4netns can listen on the host itself and carry what comes to the namespace; it is told so by
// its API socket. The clients' addresses are kept. We hold what is published: an ID of ours for
// each port, and the one that slirp4netns knows it by.
//
// A slirp4netns that dies takes its listeners with it. Its supervisor (drivers/network) tells us:
// from the death on nothing is known to slirp4netns, no port can be added, and one that is removed
// is only forgotten; when the next one runs every port is published again, under a new ID of
// slirp4netns, while ours stays. Both come by the loop that also starts the next one, so none can
// run that we do not know of. A port that cannot be published again stays listed and is tried with
// the next restart.
//
// A request that got no answer may still be carried out by a slirp4netns that wakes up later: a
// port would listen that nobody asked for, or one be gone that is listed. From then on we compare
// its list with ours before anything else, and by a timer, until that has worked.
//
// Only IPv4, TCP and UDP; that is all that slirp4netns can.
#pragma once

#include "base/log.h"
#include "drivers/port/port_driver.h"
#include "loop/timer.h"
#include "wire/slirp4netns_api.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::drivers {

class Slirp4netnsPortDriver final : public PortDriver {
 public:
    struct Parts {
        std::string api_socket;
        std::string child_ip;  // where to without a child IP: the namespace's address
        model::HelperHealth health{};
    };
    /// The logger must outlive the driver.
    Slirp4netnsPortDriver(Parts parts, const Logger& log);

    void attach(loop::EventLoop& loop) override;

    void network_changed(const model::HelperHealth& health) override;

    [[nodiscard]] PortDriverInfo info() override;
    [[nodiscard]] Result<model::PortStatus> add(const model::PortSpec& spec) override;
    [[nodiscard]] Result<void> remove(int id) override;
    [[nodiscard]] std::vector<model::PortStatus> list() const override;
    [[nodiscard]] Result<PortDriverStats> stats() override;

 private:
    struct Entry {
        model::PortStatus status;
        std::optional<std::int64_t> known_as;  // by slirp4netns; empty = not to this one
    };

    [[nodiscard]] Result<wire::HostForward> forward_of(const model::PortSpec& spec) const;
    [[nodiscard]] Result<std::string> ask(std::string_view request,
                                          std::chrono::milliseconds patience);
    [[nodiscard]] Result<std::int64_t> publish(const model::PortSpec& spec);
    [[nodiscard]] Result<void> unpublish(std::int64_t known_as);
    [[nodiscard]] Result<void> compare(std::chrono::milliseconds patience);
    void become_unsure();
    void publish_missing();
    void on_timer();

    Parts parts_;
    const Logger& log_;
    std::map<int, Entry> entries_;
    int next_id_ = 1;
    bool unsure_ = false;  // a request got no answer
    std::optional<loop::Timer> timer_;
};

}  // namespace rk::drivers
