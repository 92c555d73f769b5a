// SPDX-License-Identifier: Apache-2.0
#include "launch/child.h"

#include "base/text.h"
#include "launch/activation.h"
#include "launch/child_network.h"
#include "launch/command.h"
#include "launch/init.h"
#include "launch/names.h"
#include "launch/step_timer.h"
#include "ns/copy_up.h"
#include "ns/detached_netns.h"
#include "ns/interface_config.h"
#include "ns/proc_mount.h"
#include "ns/propagation.h"
#include "ns/sys_mount.h"
#include "sys/capability.h"
#include "sys/netlink.h"
#include "sys/process.h"
#include "sys/signals.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::launch {

namespace {

constexpr std::uint64_t kMaxFdNumber = 1U << 20U;

bool is_seqpacket(int fd) {
    int type = 0;
    socklen_t length = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

// All children that are reparented become ours to reap. PID 1 of a PID namespace has them anyway.
Result<void> become_subreaper() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
        return fail(errno_error(errno, "become the child subreaper"));
    }
    return {};
}

}  // namespace

std::optional<Channel> adopt_child_channel(const sys::Environment& environment) {
    const auto number = parse_decimal(environment.get(kChildVariable).value_or(""), kMaxFdNumber);
    if (!number || !is_seqpacket(static_cast<int>(*number))) {
        return std::nullopt;
    }
    const int fd = static_cast<int>(*number);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return Channel(sys::Fd(fd));
}

Child::Child(model::Options options, sys::Environment environment, const Logger& log,
             Channel channel)
    : options_(std::move(options)),
      environment_(std::move(environment)),
      log_(log),
      channel_(std::move(channel)) {
    environment_.remove(kChildVariable);
}

int Child::run() {
    const Result<void> ready = set_up();
    if (!ready) {
        log_.fatal(ready.error().message);
        return 1;
    }
    const Result<int> code = run_command();
    if (!code) {
        log_.fatal(code.error().message);
        return 1;
    }
    return *code;
}

Result<void> Child::set_up() {
    sys::die_with_parent();
    const StepTimer timer(log_);
    config_ = TRY(expect<wire::ChildConfig>());
    TRY(at(wire::ChildStep::kCapabilities, check_capabilities()));
    TRY(at(wire::ChildStep::kMount, timer.step("prepare namespaces", prepare_namespaces())));
    TRY(channel_.send(wire::NamespacesReady{}));
    const wire::ParentReady ready = TRY(expect<wire::ParentReady>());
    TRY(at(wire::ChildStep::kMount, timer.step("mounts", mount_everything())));
    TRY(at(wire::ChildStep::kNetwork, timer.step("network", configure_network(ready))));
    TRY(channel_.send(wire::SetUpDone{}));
    start_ = TRY(expect<wire::StartCommand>());
    if (ready.network && ready.network->configured_by_child && !options_.detach_netns) {
        ns::wait_for_carrier(ready.network->device);
    }
    return {};
}

template <typename T>
Result<T> Child::expect() {
    wire::Message message = TRY(channel_.wait());
    T* const expected = std::get_if<T>(&message);
    if (expected == nullptr) {
        return fail("unexpected message from the parent");
    }
    return std::move(*expected);
}

Result<void> Child::at(wire::ChildStep step, Result<void> result) {
    if (!result) {
        const Error& error = result.error();
        static_cast<void>(channel_.send(
            wire::SetUpFailed{step, static_cast<std::uint32_t>(error.code), error.message}));
        static_cast<void>(channel_.wait());  // the parent looks at us; it answers or is gone
    }
    return result;
}

Result<void> Child::check_capabilities() {
    // newuidmap and newgidmap said they had done it; without a uid map there would be no
    // capability.
    if (::getgid() != 0) {
        return fail("newgidmap ended without an error, but group 0 is not mapped");
    }
    if (!sys::has_effective_capability(sys::Capability::kSysAdmin)) {
        return fail(Error{"the new user namespace gives no capabilities", EPERM});
    }
    return {};
}

Result<void> Child::prepare_namespaces() {
    if (options_.pid_namespace) {
        ns::mount_proc(log_);
    }
    if (options_.detach_netns) {
        TRY(ns::create_detached_netns(state_dir() + "/netns"));
    }
    return {};
}

Result<void> Child::mount_everything() {
    TRY(ns::set_propagation(options_.propagation));
    TRY(ns::copy_up(options_.copy_up, log_));
    return ns::mount_sys(ns::plan_sys_mounts(options_), log_);
}

Result<void> Child::configure_network(const wire::ParentReady& ready) {
    if (options_.new_network_namespace()) {
        TRY(sys::bring_up_loopback());
    }
    if (ready.network) {
        dhcp_ = TRY(set_up_child_network(*ready.network, options_, state_dir(), log_));
    }
    return {};
}

std::string Child::state_dir() const {
    return std::string(environment_.get(kStateDirVariable).value_or(""));
}

Result<int> Child::run_command() {
    if (options_.reap() && !options_.pid_namespace) {
        TRY(become_subreaper());
    }
    const sys::SignalFd signals = TRY(sys::SignalFd::open());
    CommandPlan plan;
    plan.argv = options_.command;
    plan.signal_mask = sys::set_of(config_.signal_mask);
    plan.sigchld_ignored = config_.sigchld_ignored;
    plan.own_session = options_.reap();
    plan.activated = config_.activated && withhold_sockets(environment_, start_.withheld);
    plan.environment = environment_;
    const Result<pid_t> pid = start_command(plan);
    if (!pid) {
        return fail(Error{command_ended_text(options_.command, pid.error().message), 0});
    }
    loop::EventLoop loop = TRY(loop::EventLoop::create());
    const auto dhcp = std::move(dhcp_);  // ends before the loop
    if (dhcp) {
        TRY(dhcp->attach(loop));
    }
    const sys::ExitStatus status =
        TRY(Init(channel_, signals, {.reap = options_.reap()}).run(*pid, loop));
    if (!status.success()) {
        log_.fatal(command_ended_text(options_.command, status.text()));
    }
    return status.exit_code();
}

}  // namespace rk::launch
