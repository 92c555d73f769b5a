// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/lxc_user_nic.h"

#include "base/text.h"
#include "ns/helper_program.h"
#include "ns/namespace_anchor.h"
#include "ns/target_namespaces.h"
#include "sys/file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

namespace rk::drivers {

namespace {

// It takes milliseconds, but waits for the lock of its database, which others hold as long.
constexpr std::chrono::seconds kCreateTime{10};
constexpr std::chrono::seconds kAnchorTime{4};
constexpr std::size_t kMaxShown = 1024;  // bytes of what it printed
constexpr std::uint32_t kDefaultMtu = 1500;
constexpr std::uint32_t kMaxMtu = 65535;

// The other end of the pair has the bridge's MTU, and drops what is longer.
std::uint32_t mtu_for(const std::string& bridge) {
    const auto text = sys::read_file(fmt::format("/sys/class/net/{}/mtu", bridge));
    const auto mtu = text ? parse_decimal(trim(*text), kMaxMtu) : std::nullopt;
    return std::min(static_cast<std::uint32_t>(mtu.value_or(kDefaultMtu)), kDefaultMtu);
}

model::NetworkSetup plan_network(const model::Options& options) {
    model::NetworkSetup setup;
    setup.device = options.ifname.empty() ? "eth0" : options.ifname;
    setup.mtu = options.mtu != 0 ? options.mtu : mtu_for(options.lxc_user_nic_bridge);
    setup.configured_by_child = true;
    setup.dhcp = true;
    return setup;
}

}  // namespace

Result<std::unique_ptr<NetworkDriver>> LxcUserNic::create(const model::Options& options,
                                                          const sys::Environment& environment,
                                                          const Logger& log) {
    if (options.lxc_user_nic_binary.empty()) {
        return fail(Error{"lxc-user-nic is not installed where distributions put it", ENOENT});
    }
    std::string path = TRY(ns::find_helper(options.lxc_user_nic_binary, environment));
    return std::unique_ptr<NetworkDriver>(
        new LxcUserNic(options, std::move(path), ns::helper_environment(environment), log));
}

LxcUserNic::LxcUserNic(const model::Options& options, std::string path,
                       sys::Environment environment, const Logger& log)
    : options_(options),
      path_(std::move(path)),
      environment_(std::move(environment)),
      log_(log),
      setup_(plan_network(options)) {}

Result<model::NetworkSetup> LxcUserNic::start(const NetworkTarget& target,
                                              const sys::Interrupt* interrupt) {
    if (target.detached_netns.empty()) {
        TRY(connect(target.child, interrupt));
        return setup_;
    }
    const auto namespaces =
        TRY(ns::TargetNamespaces::of_child(target.child, target.detached_netns));
    const auto anchor =
        TRY(ns::NamespaceAnchor::start(namespaces, sys::Deadline::after(kAnchorTime)));
    TRY(connect(anchor.pid(), interrupt));
    return setup_;
}

Result<void> LxcUserNic::connect(pid_t process, const sys::Interrupt* interrupt) const {
    // The second and third word are names for containers of LXC's own.
    auto program = TRY(sys::RunningProgram::start(
        path_,
        {options_.lxc_user_nic_binary, "create", "/dev/null", "dummy", fmt::format("{}", process),
         "veth", options_.lxc_user_nic_bridge, setup_.device},
        environment_, sys::no_signals()));
    const sys::ProgramOutcome outcome =
        TRY(program.wait(sys::Deadline::after(kCreateTime), interrupt));
    if (outcome.interrupted) {
        return fail(Error{"interrupted", EINTR});
    }
    const std::string_view printed = trim(std::string_view(outcome.output).substr(0, kMaxShown));
    if (!outcome.success()) {
        return fail("{} failed: {}: {}", path_, printed, outcome.status_text());
    }
    log_.debug("{}: {}", path_, printed);
    return {};
}

model::NetworkInfo LxcUserNic::info() const {
    model::NetworkInfo info;
    info.driver = "lxc-user-nic";
    info.dynamic_child_ip = true;
    return info;
}

model::HelperHealth LxcUserNic::health() const {
    return {.running = true, .pid = 0, .restarts = 0};
}

}  // namespace rk::drivers
