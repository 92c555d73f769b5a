// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The relay is a fork of the parent that never execs: it starts in a fraction of a millisecond and
// is the same binary. What it must not keep of the parent is shed in relay_main(), in this order:
// the descriptors (above all the state directory's lock, which has to be free when the parent is
// gone), the namespaces, then in enter_sandbox() everything else. The parent is single-threaded and
// outside of any library call when it forks, so the heap is sound.
//
// Death with the parent is asked for before and after entering the user namespace, since a change
// of credentials makes the kernel forget it (prctl(2)); a parent that died in between is noticed by
// its PID.
#include "launch/relay_process.h"

#include "base/log.h"
#include "ns/transparent_routes.h"
#include "relay/limits.h"
#include "relay/sandbox.h"
#include "sys/process.h"
#include "sys/seqpacket.h"
#include "wire/relay_channel.h"

#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace rk::launch {

namespace {

// The relay marks its transparent sockets, the parent routes by that mark; neither floor sees the
// other's constant.
static_assert(relay::kTransparentMark == ns::kRelayMark);

// The sanitizers' own system calls are none the relay would make.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kFilterSystemCalls = false;
#else
constexpr bool kFilterSystemCalls = true;
#endif

Result<void> stay_with(pid_t parent) {
    sys::die_with_parent();
    if (::getppid() != parent) {
        return fail("the parent is gone");
    }
    return {};
}

void tell(sys::FdRef channel, LogLevel level, std::string text) {
    const wire::LogLine line{static_cast<std::uint8_t>(level), std::move(text)};
    static_cast<void>(sys::send_packet(channel, wire::encode(line)));
}

// The sandbox closes the namespaces' descriptors, too: they have been used by then.
Result<void> move_in(sys::FdRef channel, const ns::TargetNamespaces& target,
                     const RelayProcessOptions& options, pid_t parent) {
    TRY(stay_with(parent));
    TRY(target.enter());
    TRY(stay_with(parent));
    const relay::SandboxState sandbox =
        relay::enter_sandbox({.channel = channel,
                              .keep_net_admin = options.source_ip_transparent,
                              .filter_system_calls = kFilterSystemCalls});
    if (!sandbox.descriptors_closed) {
        return fail("sandbox: {}", sandbox.problems);  // it would hold the state directory's lock
    }
    tell(channel, sandbox.complete() ? LogLevel::kDebug : LogLevel::kWarning, sandbox.text());
    return {};
}

// In the new process. run() closes the channel it is given, so a second descriptor tells why it
// ended.
[[noreturn]] void relay_main(sys::Fd channel, const ns::TargetNamespaces& target,
                             const RelayProcessOptions& options, pid_t parent) {
    Result<void> done = move_in(channel, target, options, parent);
    const sys::Fd telling(::fcntl(channel.number(), F_DUPFD_CLOEXEC, 0));
    if (done) {
        done = relay::run(std::move(channel), options.limits);
    }
    if (!done) {
        tell(telling, LogLevel::kError, done.error().message);
    }
    ::_exit(done ? 0 : 1);
}

}  // namespace

Result<drivers::RelayConnection> start_relay_process(const ns::TargetNamespaces& target,
                                                     const RelayProcessOptions& options) {
    auto [ours, theirs] = TRY(sys::seqpacket_pair());
    const pid_t parent = ::getpid();
    const pid_t pid = TRY(sys::clone_process(0));
    if (pid == 0) {
        ours.reset();
        relay_main(std::move(theirs), target, options, parent);
    }
    return drivers::RelayConnection{std::move(ours), pid};
}

}  // namespace rk::launch
