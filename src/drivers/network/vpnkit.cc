// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/vpnkit.h"

#include "drivers/network/helper_driver.h"
#include "drivers/network/vpnkit_relay.h"
#include "drivers/network/vpnkit_session.h"
#include "ns/helper_program.h"
#include "ns/interface_config.h"
#include "ns/tap_device.h"
#include "sys/process.h"
#include "sys/unix_stream.h"

#include <chrono>
#include <utility>

namespace rk::drivers {

namespace {

constexpr std::chrono::milliseconds kReadyTime{10000};  // as the original
// The relay gives up a little earlier, and says why.
constexpr std::chrono::milliseconds kAnswerTime{9500};
constexpr std::uint32_t kDefaultMtu = 1500;  // bytes
constexpr std::uint8_t kPrefix = 24;
constexpr const char* kDefaultDevice = "tap0";
constexpr const char* kSocketName = "/vpnkit-ethernet.sock";

model::IpAddress gateway() {
    return model::IpAddress::v4(0xc0a84101);  // 192.168.65.1, the name server too
}

model::NetworkSetup plan_network(const model::Options& options) {
    model::NetworkSetup setup;
    setup.device = options.ifname.empty() ? kDefaultDevice : options.ifname;
    setup.prefix = kPrefix;
    setup.gateway = gateway();
    setup.dns = {gateway()};
    setup.mtu = options.mtu == 0 ? kDefaultMtu : options.mtu;
    setup.configured_by_child = true;
    return setup;
}

std::vector<std::string> command_line(const model::Options& options, std::uint32_t mtu,
                                      const std::string& socket_path) {
    std::vector<std::string> words = {options.vpnkit_binary, "--ethernet", socket_path, "--mtu",
                                      fmt::format("{}", mtu)};
    if (options.disable_host_loopback) {
        words.insert(words.end(), {"--host-ip", "0.0.0.0"});
    }
    return words;
}

}  // namespace

Result<std::unique_ptr<NetworkDriver>> Vpnkit::create(const model::Options& options,
                                                      const sys::Environment& environment,
                                                      const Logger& log) {
    HelperPlan plan;
    plan.name = "vpnkit";
    plan.path = TRY(ns::find_helper(options.vpnkit_binary, environment));
    plan.environment = ns::helper_environment(environment);
    plan.tells_ready = false;
    return std::unique_ptr<NetworkDriver>(new Vpnkit(options, log, std::move(plan)));
}

Vpnkit::Vpnkit(const model::Options& options, const Logger& log, HelperPlan plan)
    : options_(options),
      log_(log),
      plan_(std::move(plan)),
      setup_(plan_network(options)),
      vpnkit_(kReadyTime, log),
      relay_(kReadyTime, log) {}

HelperPlan Vpnkit::relay_plan(const std::string& socket_path, const std::string& uuid) {
    HelperPlan plan;
    plan.name = "vpnkit-relay";
    plan.path = "/proc/self/exe";  // for messages
    plan.run = [this, socket_path, uuid](sys::Fd ready) {
        return run_vpnkit_relay({.socket_path = socket_path,
                                 .uuid = uuid,
                                 .device = setup_.device,
                                 .target = *target_,
                                 .vpnkit_exited = vpnkit_.exited_fd(),
                                 .ready_time = kAnswerTime},
                                std::move(ready));
    };
    return plan;
}

Result<void> Vpnkit::start_processes(const NetworkTarget& target) {
    const std::string socket_path = target.state_dir + kSocketName;
    if (Result<void> fits = sys::check_socket_path(socket_path); !fits) {
        return fail("{}", fits.error().message);  // nothing to diagnose
    }
    const std::string uuid = TRY(random_uuid());
    plan_.arguments = command_line(options_, setup_.mtu, socket_path);
    plan_.old_socket = socket_path;
    TRY(vpnkit_.start(std::move(plan_)));
    target_.emplace(TRY(ns::TargetNamespaces::of_child(target.child, target.detached_netns)));
    TRY(ns::create_tap(*target_, setup_.device));
    return relay_.start(relay_plan(socket_path, uuid));
}

Result<model::NetworkSetup> Vpnkit::start(const NetworkTarget& target,
                                          const sys::Interrupt* interrupt) {
    TRY(start_processes(target));
    TRY(vpnkit_.wait_ready(interrupt));
    if (Result<void> ready = relay_.wait_ready(interrupt); !ready) {
        TRY(vpnkit_.check_alive());  // says more
        return fail(std::move(ready).error());
    }
    const auto address = model::IpAddress::parse(relay_.ready_word());
    if (!address || !address->is_v4()) {
        return fail("vpnkit gave no address");
    }
    setup_.address = *address;
    return setup_;
}

Result<void> Vpnkit::wait_ready(const sys::Interrupt* /*interrupt*/) {
    return {};
}

Result<void> Vpnkit::attach(loop::EventLoop& loop) {
    vpnkit_.when_health_changes([this](const model::HelperHealth& /*of_one*/) { on_health(); });
    relay_.when_health_changes([this](const model::HelperHealth& /*of_one*/) { on_health(); });
    TRY(vpnkit_.attach(loop));
    return relay_.attach(loop);
}

// A vpnkit that was started again need not know that the address was given away before.
void Vpnkit::take_address(const model::IpAddress& address) {
    const model::NetworkSetup old = setup_;
    setup_.address = address;
    const auto change = [&]() -> Result<void> {
        TRY(target_->enter());
        TRY(ns::remove_address(old));
        return ns::configure_interface(setup_);
    };
    if (Result<void> done = sys::run_forked(0, change); !done) {
        log_.warn("vpnkit gives the address {} now, but: {}", address.text(), done.error().message);
        return;
    }
    log_.warn("vpnkit gives the address {} now; {} had {} before", address.text(), setup_.device,
              old.address.text());
}

void Vpnkit::on_health() {
    const model::HelperHealth now = health();
    const auto address = model::IpAddress::parse(relay_.ready_word());
    if (now.running && address && *address != setup_.address) {
        take_address(*address);
    }
    if (listener_) {
        listener_(now);
    }
}

void Vpnkit::when_health_changes(const HealthListener& listener) {
    listener_ = listener;
}

model::NetworkInfo Vpnkit::info() const {
    return network_info("vpnkit", setup_);
}

// One network out of two processes; it is restarted whenever the relay is.
model::HelperHealth Vpnkit::health() const {
    model::HelperHealth health = vpnkit_.health();
    health.running = health.running && relay_.health().running;
    health.restarts = relay_.health().restarts;
    return health;
}

}  // namespace rk::drivers
