// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/vpnkit_relay.h"

#include "drivers/network/vpnkit_session.h"
#include "ns/tap_device.h"
#include "relay/frame_relay.h"
#include "relay/sandbox.h"
#include "sys/process.h"

#include <cerrno>
#include <utility>
#include <vector>

#include <unistd.h>

namespace rk::drivers {

namespace {

// The sanitizers' own system calls are none the relay would make.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFilterSystemCalls = false;
#else
constexpr bool kFilterSystemCalls = true;
#endif

void say(std::string text) {
    text += '\n';
    // A parent that does not read any more needs no text.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

Result<void> shed_descriptors(const VpnkitRelayPlan& plan, sys::FdRef ready) {
    relay::SandboxRequest kept{.channel = ready};
    for (const sys::FdRef fd : {plan.target.user(), plan.target.network(), plan.vpnkit_exited}) {
        if (fd.number() >= 0) {
            kept.also_kept.push_back(fd);
        }
    }
    return relay::shed_descriptors(kept);
}

// A change of credentials makes the kernel forget that we die with our parent (prctl(2)).
Result<void> enter(const ns::TargetNamespaces& target) {
    const pid_t parent = ::getppid();
    TRY(target.enter());
    sys::die_with_parent();
    return ::getppid() == parent ? Result<void>() : fail("the parent is gone");
}

Result<void> shut_in(sys::FdRef stream, std::vector<sys::FdRef> others) {
    const relay::SandboxState sandbox =
        relay::enter_sandbox({.channel = stream,
                              .also_kept = std::move(others),
                              .filter_system_calls = kFilterSystemCalls});
    if (!sandbox.descriptors_closed) {
        return fail("sandbox: {}", sandbox.problems);  // it would hold the state directory's lock
    }
    say(sandbox.text());
    return {};
}

Result<void> tell(sys::FdRef ready, const std::string& word) {
    if (::write(ready.number(), word.data(), word.size()) != static_cast<ssize_t>(word.size())) {
        return fail(errno_error(errno, "tell the parent"));
    }
    return {};
}

Result<void> run(const VpnkitRelayPlan& plan, sys::Fd ready) {
    TRY(shed_descriptors(plan, ready));
    const VpnkitPeer peer{plan.socket_path, sys::Deadline::after(plan.ready_time),
                          plan.vpnkit_exited};
    const VpnkitConnection connection =
        TRY_CTX(connect_vpnkit(peer, plan.uuid), "connect to vpnkit");
    TRY(enter(plan.target));
    const sys::Fd tap = TRY(ns::open_tap_here(plan.device));
    TRY(ns::set_mac_address(tap, plan.device, connection.interface.mac));
    const VpnkitAddress told =
        TRY_CTX(discover_vpnkit_address(peer, connection), "ask vpnkit for an address");
    TRY(shut_in(connection.socket, {tap, ready}));
    TRY(tell(ready, told.address.text()));
    ready.reset();
    return relay::relay_frames(tap, connection.socket, told.received);
}

}  // namespace

int run_vpnkit_relay(const VpnkitRelayPlan& plan, sys::Fd ready) {
    const Result<void> ended = run(plan, std::move(ready));
    say(ended.error().message);
    return 1;
}

}  // namespace rk::drivers
