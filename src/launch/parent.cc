// SPDX-License-Identifier: Apache-2.0
#include "launch/parent.h"

#include "doctor/preflight.h"
#include "drivers/network/builtin.h"
#include "drivers/network/registry.h"
#include "launch/activation.h"
#include "launch/names.h"
#include "launch/supervisor.h"
#include "ns/cgroup_evacuation.h"
#include "ns/subid_source.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <poll.h>
#include <sched.h>
#include <unistd.h>

namespace rk::launch {

namespace {

// The longest any one step of the child may take. Steps take microseconds; a directory of a hundred
// thousand entries to copy up takes a second. Past this the kernel itself hangs (a dead NFS mount).
constexpr std::chrono::seconds kStepPatience{60};

unsigned long namespace_flags(const model::Options& options) {
    unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS;
    flags |= options.pid_namespace ? CLONE_NEWPID : 0UL;
    flags |= options.new_network_namespace() ? CLONE_NEWNET : 0UL;
    flags |= options.cgroup_namespace ? CLONE_NEWCGROUP : 0UL;
    flags |= options.uts_namespace ? CLONE_NEWUTS : 0UL;
    flags |= options.ipc_namespace ? CLONE_NEWIPC : 0UL;
    return flags;
}

// Signals that would have ended a program without handlers. The others wait for the command.
bool ends_the_set_up(int number) {
    return number != SIGCHLD && number != SIGCONT && number != SIGWINCH && number != SIGTSTP &&
           number != SIGTTIN && number != SIGTTOU && !sys::is_ignored(number);
}

// Networks whose program says enough for a diagnosis, whatever the error code.
bool explains_itself(model::NetworkDriver network) {
    return network == model::NetworkDriver::kLxcUserNic ||
           network == model::NetworkDriver::kPasta ||
           network == model::NetworkDriver::kSlirp4netns ||
           network == model::NetworkDriver::kVpnkit;
}

// Error codes that say the machine forbids something, as opposed to a missing path.
bool worth_a_diagnosis(int code) {
    return code == EPERM || code == EACCES || code == ENOSPC || code == ENOSYS || code == EUSERS;
}

}  // namespace

Parent::Parent(ParentInput input, const Logger& log)
    : input_(std::move(input)), options_(input_.options), log_(log), timer_(log) {}

ParentOutcome Parent::run() {
    const Result<int> code = launch();
    if (code) {
        outcome_.exit_code = *code;
    } else {
        outcome_.fatal = code.error().message;
    }
    return std::move(outcome_);
}

Result<int> Parent::launch() {
    signals_ = TRY(sys::SignalFd::open());
    for (const std::string& warning : doctor::preflight_warnings(
             doctor::gather_preflight(options_.propagation), options_.propagation)) {
        log_.warn("{}", warning);
    }
    loop::EventLoop loop = TRY(loop::EventLoop::create());  // outlives all that is attached to it
    const auto network = TRY_CTX(make_network_driver(), "failed to setup network");
    maps_ = TRY(timer_.step("ID ranges", compute_maps()));
    StateDir state_dir = TRY(timer_.step("state directory", open_state_dir()));
    if (options_.detach_netns) {
        TRY(state_dir.create_mount_point("netns", 0400));
    }
    ns::CgroupEvacuation evacuation;  // before the child: undone after the child's end
    ChildProcess child = TRY(timer_.step("clone", start_child(state_dir)));
    TRY(timer_.step("ID maps", map_ids(child, maps_)));
    TRY(release_child(child));
    TRY(timer_.step("child's namespaces", wait_for<wire::NamespacesReady>(child)));
    if (!options_.evacuate_cgroup2.empty()) {
        evacuation = TRY(timer_.step(
            "cgroup2 evacuation", ns::CgroupEvacuation::evacuate(options_.evacuate_cgroup2, log_)));
    }
    TRY(timer_.step("network", start_network(network.get(), state_dir, child)));
    TRY(timer_.step("child's set-up", wait_for<wire::SetUpDone>(child)));
    TRY(timer_.step("network ready", finish_network(network.get(), loop)));
    Services services = TRY(timer_.step("ports", start_services(state_dir, child, network.get())));
    TRY(state_dir.write_child_pid(child.pid()));
    TRY(timer_.step("API", services.open_api()));
    TRY(services.serve(loop));
    TRY(check_interruption());
    TRY(child.channel().send(wire::StartCommand{services.withheld_sockets()}));
    return supervise(child, loop);
}

Result<std::unique_ptr<drivers::NetworkDriver>> Parent::make_network_driver() {
    auto network = drivers::make_network_driver(options_, input_.environment, log_);
    if (!network && explains_itself(options_.network)) {
        explain(network_failure(network.error()));
    }
    return network;
}

Result<ns::IdMaps> Parent::compute_maps() {
    user_ = TRY(ns::find_user(input_.environment, log_));
    const auto ranges =
        ns::compute_subid_ranges(options_.subid_source, *user_, input_.environment, log_);
    if (!ranges) {
        const int code = ranges.error().code;
        if (code != EMFILE && code != ENFILE) {  // these explain themselves
            doctor::Failure failure;
            failure.stage = doctor::Stage::kFindSubids;
            failure.code = code;
            explain(std::move(failure));
        }
        return fail(ranges.error());
    }
    if (options_.subid_source == model::SubidSource::kNone) {
        log_.warn(
            "--subid-source=none maps only your own ID: chown to, or files and processes of, any "
            "other ID inside will not work, and neither will setgroups");
    }
    return ns::make_id_maps(*user_, *ranges);
}

Result<StateDir> Parent::open_state_dir() const {
    if (options_.state_dir.empty()) {
        return StateDir::create_temporary(input_.environment.get("TMPDIR").value_or(""));
    }
    return StateDir::take(options_.state_dir);
}

Result<ChildProcess> Parent::start_child(const StateDir& state_dir) {
    if (!state_dir.lock_warning().empty()) {
        log_.warn("{}", state_dir.lock_warning());
    }
    sys::Environment environment = input_.environment;
    environment.set(kStateDirVariable, state_dir.path());
    environment.set(kParentEuidVariable, fmt::format("{}", ::geteuid()));
    environment.set(kParentEgidVariable, fmt::format("{}", ::getegid()));
    auto child = spawn_child(namespace_flags(options_), input_.argv, std::move(environment));
    if (!child) {
        doctor::Failure failure;
        failure.stage = doctor::Stage::kCreateNamespaces;
        failure.code = child.error().code;
        explain(std::move(failure));
        return fail(std::move(child).error().with_context("failed to start the child"));
    }
    return child;
}

Result<void> Parent::map_ids(const ChildProcess& child, const ns::IdMaps& maps) {
    const sys::Interrupt interrupt{signals_->fd(), [this] { return !check_interruption(); }};
    const ns::IdMapResult written =
        ns::write_id_maps(options_.subid_source, child.pid(), maps, input_.environment,
                          sys::Deadline::after(ns::kIdMapTime), &interrupt);
    if (written) {
        return {};
    }
    if (outcome_.interrupted_by != 0) {
        return fail(interruption());
    }
    const ns::IdMapFailure& why = written.error();
    doctor::Failure failure;
    failure.stage = doctor::Stage::kMapIds;
    failure.code = why.error.code;
    failure.program = why.program;
    failure.output = why.output;
    failure.timed_out = why.timed_out;
    failure.child = child.pid();
    if (why.status && why.status->signalled) {
        failure.signal = why.status->number;
    }
    explain(std::move(failure));
    return fail(why.error);
}

Result<void> Parent::release_child(const ChildProcess& child) const {
    wire::ChildConfig config;
    config.signal_mask = input_.signal_mask;
    config.sigchld_ignored = input_.sigchld_ignored;
    config.activated = is_socket_activated(input_.environment, ::getpid());
    TRY(child.channel().send(wire::IdMapDone{}));
    return child.channel().send(config);
}

template <typename T>
Result<void> Parent::wait_for(ChildProcess& child) {
    const sys::Deadline deadline = sys::Deadline::after(kStepPatience);
    for (;;) {
        std::array<pollfd, 2> ready{
            {{child.channel().fd().number(), POLLIN, 0}, {signals_->fd().number(), POLLIN, 0}}};
        if (::poll(ready.data(), ready.size(), deadline.poll_timeout()) == 0) {
            return fail("the child did not finish its set-up within {} seconds",
                        kStepPatience.count());
        }
        TRY(check_interruption());
        const Channel::Arrival arrival = TRY(child.channel().receive());
        if (arrival.end) {
            return fail(child_ended(child.wait_or_kill()));
        }
        if (!arrival.message) {
            continue;
        }
        if (const auto* failure = std::get_if<wire::SetUpFailed>(&*arrival.message)) {
            return fail(child_failed(child, *failure));
        }
        if (std::holds_alternative<T>(*arrival.message)) {
            return {};
        }
        return fail("unexpected message from the child");
    }
}

Result<void> Parent::check_interruption() {
    while (const auto signal = signals_->next()) {
        if (ends_the_set_up(signal->number)) {
            outcome_.interrupted_by = signal->number;
            return fail(interruption());
        }
    }
    return {};
}

Error Parent::interruption() const {
    return make_error("set-up ended by a signal: {}", signal_text(outcome_.interrupted_by));
}

Error Parent::child_ended(const sys::ExitStatus& status) {
    outcome_.exit_code = status.exit_code();
    if (!running_ && status.signalled && status.number == SIGSYS) {
        doctor::Failure failure;  // a sandbox's filter kills instead of refusing
        failure.stage = doctor::Stage::kSetUpChild;
        failure.signal = status.number;
        explain(std::move(failure));
    }
    return make_error("child exited: {}", status.text());
}

Error Parent::child_failed(ChildProcess& child, const wire::SetUpFailed& failure) {
    const auto code = static_cast<int>(failure.code);
    if (failure.step == wire::ChildStep::kNetwork && code == ETIMEDOUT) {
        explain(network_failure({failure.message, code}));  // no DHCP server
    } else if (worth_a_diagnosis(code)) {
        doctor::Failure known;
        known.stage = failure.step == wire::ChildStep::kCapabilities
                          ? doctor::Stage::kGainCapabilities
                          : doctor::Stage::kSetUpChild;
        known.code = code;
        known.child = child.pid();
        explain(std::move(known));
    }
    // The child has waited for this, so that it could still be looked at; now it says why and
    // exits.
    static_cast<void>(child.channel().send(wire::StartCommand{}));
    const sys::ExitStatus status = child.wait_or_kill();
    if (failure.step == wire::ChildStep::kExec) {
        return errno_error(code, "failed to start the child: fork/exec /proc/self/exe");
    }
    return child_ended(status);
}

void Parent::explain(doctor::Failure failure) {
    failure.uid_map = maps_.uids;
    failure.gid_map = maps_.gids;
    doctor::FactsRequest request;
    request.user = user_ ? user_->name : "";
    request.environment = input_.environment;
    const doctor::Facts facts = doctor::gather_facts(failure, request);
    doctor::Diagnosis diagnosis = doctor::diagnose(failure, facts);
    // Without an error code it was no system call: what was said has to do.
    if (failure.stage != doctor::Stage::kSetUpNetwork || failure.code != 0 ||
        diagnosis.rule != doctor::kUnknownRule) {
        outcome_.diagnosis = std::move(diagnosis);
    }
}

Result<void> Parent::start_network(drivers::NetworkDriver* network, const StateDir& state_dir,
                                   const ChildProcess& child) {
    wire::ParentReady ready;
    if (network != nullptr) {
        const sys::Interrupt interrupt{signals_->fd(), [this] { return !check_interruption(); }};
        auto setup =
            network->start({.child = child.pid(),
                            .detached_netns = options_.detach_netns ? state_dir.file("netns") : "",
                            .state_dir = state_dir.path()},
                           &interrupt);
        if (!setup) {
            return fail(network_failed(std::move(setup).error()));
        }
        ready.network = *std::move(setup);
    }
    return child.channel().send(ready);
}

Result<void> Parent::finish_network(drivers::NetworkDriver* network, loop::EventLoop& loop) {
    if (network == nullptr) {
        return {};
    }
    const sys::Interrupt interrupt{signals_->fd(), [this] { return !check_interruption(); }};
    if (Result<void> ready = network->wait_ready(&interrupt); !ready) {
        network_lacks_ = network->builtin() != nullptr ? network->builtin()->lacks() : "";
        return fail(network_failed(std::move(ready).error()));
    }
    return network->attach(loop);
}

Error Parent::network_failed(Error why) {
    if (outcome_.interrupted_by != 0) {
        return interruption();
    }
    if (explains_itself(options_.network) || (why.code != 0 && why.code != ETIMEDOUT)) {
        explain(network_failure(why));
    }
    return std::move(why).with_context("failed to setup network");
}

doctor::Failure Parent::network_failure(const Error& why) const {
    doctor::Failure failure;
    failure.stage = doctor::Stage::kSetUpNetwork;
    failure.code = why.code;
    if (options_.network == model::NetworkDriver::kLxcUserNic) {
        failure.program = doctor::kLxcUserNic;
        failure.target = options_.lxc_user_nic_binary;
        failure.bridge = options_.lxc_user_nic_bridge;
        failure.output = why.message;
    }
    if (options_.network == model::NetworkDriver::kBuiltin ||
        options_.network == model::NetworkDriver::kGvisorTapVsock) {
        failure.program = doctor::kBuiltinNetwork;
        failure.target = network_lacks_;
    }
    const auto about = [&](model::NetworkDriver driver, std::string_view name,
                           const std::string& binary) {
        if (options_.network == driver) {
            failure.program = name;
            failure.target = binary;
            failure.output = why.message;
        }
    };
    about(model::NetworkDriver::kPasta, doctor::kPasta, options_.pasta_binary);
    about(model::NetworkDriver::kSlirp4netns, doctor::kSlirp4netns, options_.slirp4netns_binary);
    about(model::NetworkDriver::kVpnkit, doctor::kVpnkit, options_.vpnkit_binary);
    return failure;
}

Result<Services> Parent::start_services(const StateDir& state_dir, const ChildProcess& child,
                                        drivers::NetworkDriver* network) {
    return Services::start({.options = options_,
                            .network = network,
                            .state_dir = state_dir,
                            .environment = input_.environment,
                            .version = input_.version,
                            .argv0 = input_.argv.front(),
                            .child = child.pid(),
                            .maps = maps_},
                           log_);
}

Result<int> Parent::supervise(ChildProcess& child, loop::EventLoop& loop) {
    running_ = true;
    const sys::ExitStatus status = TRY(Supervisor(child, *signals_, loop).run());
    if (!status.success()) {
        return fail(child_ended(status));
    }
    return 0;
}

}  // namespace rk::launch
