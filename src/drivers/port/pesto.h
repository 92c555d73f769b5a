// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// pasta can listen on the host and carry what comes to the namespace. The program pesto(1), from
// the same package, changes what it listens on, by the control socket of --conf-path. We hold what
// is published, and let pesto set all rules anew at each change: that is what happens inside pasta
// anyhow, and nothing of a change that went wrong can be left over.
//
// pesto only hands the rules over. Whether pasta could listen it does not say; worse, the first
// rule that fails stops those behind it. So before a rule is handed over, we listen ourselves for a
// moment, which gives the reason where that cannot be, and afterwards we look in /proc/net until
// the sockets of all rules are there. A new rule without its socket is taken back.
//
// A pasta that hangs may carry out later what failed long ago. So a change that failed and could
// not be taken back is taken back by a timer, as soon as pasta answers.
//
// A pasta that dies takes its rules with it. When the next one runs it gets them again, less those
// whose port somebody else has meanwhile; they stay listed and are tried with every later change.
//
// Where to is not ours to say: pasta forwards to the namespace's own address, so that services that
// listen on a loopback address inside are not reached. (--host-lo-to-ns-lo, which sends clients
// from the host's loopback there, is left away with this driver: a service would have to listen on
// both.) Connections of a port that is removed live on in pasta until one side ends them.
#pragma once

#include "base/log.h"
#include "drivers/port/pesto_rule.h"
#include "drivers/port/port_driver.h"
#include "loop/timer.h"
#include "sys/clock.h"
#include "sys/environment.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rk::drivers {

/// Where pesto is: beside pasta, or in PATH. Error: `exec: "pesto": executable file not found in
/// $PATH`, with advice.
[[nodiscard]] Result<std::string> find_pesto(const std::string& pasta_binary,
                                             const sys::Environment& environment);

class PestoPortDriver final : public PortDriver {
 public:
    struct Parts {
        std::string program;  // absolute
        sys::Environment environment;
        std::string control_socket;
        PestoTarget target;
        model::HelperHealth health{};  // pasta's
    };
    /// The logger must outlive the driver.
    PestoPortDriver(Parts parts, const Logger& log) : parts_(std::move(parts)), log_(log) {}

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
        PestoRule rule;
        bool served = false;
    };

    [[nodiscard]] Result<void> hand_over();
    [[nodiscard]] Result<void> run_pesto(std::chrono::milliseconds patience) const;
    void take_back();
    void on_timer();
    [[nodiscard]] Result<Entry*> first_without_socket(sys::Deadline deadline);
    void choose_served();

    Parts parts_;
    const Logger& log_;
    std::map<int, Entry> entries_;
    int next_id_ = 1;
    std::optional<loop::Timer> timer_;  // armed while pasta may have rules that are not ours
};

}  // namespace rk::drivers
