// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The relay is a fork of the parent that never execs: it starts in a fraction of a millisecond and
// is the same binary. What it must not keep of the parent is shed in relay_main(), in this order:
// the descriptors (above all the state directory's lock, which has to be free when the parent is
// gone), the namespaces, then in leave_files() and give_up_rights() everything else. The parent is
// single-threaded and outside of any library call when it forks, so the heap is sound.
//
// Death with the parent is asked for before and after entering the user namespace, since a change
// of credentials makes the kernel forget it (prctl(2)); a parent that died in between is noticed by
// its PID.
#include "launch/relay_process.h"

#include "base/log.h"
#include "ns/transparent_routes.h"
#include "relay/limits.h"
#include "relay/netns_source.h"
#include "relay/sandbox.h"
#include "sys/process.h"
#include "sys/seqpacket.h"
#include "wire/relay_channel.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

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

// What the sources need of a network namespace is gone with the call: nothing of it stays open.
Result<std::shared_ptr<relay::SocketSource>> enter_for_sockets(
    sys::FdRef network, relay::NetnsSource::Addresses addresses) {
    const sys::Fd ours(network.number());  // the parent's objects do not end in this process
    return TRY(relay::NetnsSource::start(ours, addresses));
}

// Threads that have entered the two namespaces, and whatever the gateway makes of them.
Result<relay::RelayParts> make_parts(const ns::TargetNamespaces& target,
                                     const RelayGateway& gateway) {
    relay::SocketSources sources;
    sources.child = TRY(enter_for_sockets(target.network(), relay::NetnsSource::Addresses::kLocal));
    sources.gateway = TRY(enter_for_sockets(gateway.network, relay::NetnsSource::Addresses::kAny));
    sources.gateway_v4 = gateway.address_v4;
    sources.gateway_v6 = gateway.address_v6;
    sources.child_v6 = gateway.child_v6;
    if (gateway.make_parts) {
        return gateway.make_parts(std::move(sources));
    }
    relay::RelayParts parts;
    parts.sources = std::move(sources);
    return parts;
}

relay::SandboxRequest sandbox_request(sys::FdRef channel, const ns::TargetNamespaces& target,
                                      const RelayProcessOptions& options) {
    relay::SandboxRequest request{
        .channel = channel,
        .also_kept = {},
        .keep_net_admin = options.source_ip_transparent || options.gateway.has_value(),
        .filter_system_calls = kFilterSystemCalls};
    if (options.gateway) {
        request.also_kept = options.gateway->kept;
        request.also_kept.push_back(options.gateway->network);
        request.also_kept.push_back(target.network());
    }
    return request;
}

// The descriptors of namespaces are closed here, too: they have been used by the end.
Result<relay::RelayParts> move_in(sys::FdRef channel, const ns::TargetNamespaces& target,
                                  const RelayProcessOptions& options, pid_t parent) {
    TRY(stay_with(parent));
    TRY(options.gateway ? target.enter_user() : target.enter());
    TRY(stay_with(parent));
    const relay::SandboxRequest request = sandbox_request(channel, target, options);
    relay::SandboxState sandbox = relay::leave_files(request);
    if (!sandbox.descriptors_closed) {
        return fail("sandbox: {}", sandbox.problems);  // it would hold the state directory's lock
    }
    relay::RelayParts parts;
    if (options.gateway) {
        parts = TRY(make_parts(target, *options.gateway));
    }
    relay::give_up_rights(request, parts.sources, sandbox);
    tell(channel, sandbox.complete() ? LogLevel::kDebug : LogLevel::kWarning, sandbox.text());
    return parts;
}

// In the new process. run() closes the channel it is given, so a second descriptor tells why it
// ended.
[[noreturn]] void relay_main(sys::Fd channel, const ns::TargetNamespaces& target,
                             const RelayProcessOptions& options, pid_t parent) {
    Result<relay::RelayParts> parts = move_in(channel, target, options, parent);
    const sys::Fd telling(::fcntl(channel.number(), F_DUPFD_CLOEXEC, 0));
    const Result<void> done = parts ? relay::run(std::move(channel), options.limits, *parts)
                                    : Result<void>(fail(std::move(parts).error()));
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
