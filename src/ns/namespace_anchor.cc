// SPDX-License-Identifier: Apache-2.0
#include "ns/namespace_anchor.h"

#include "sys/fd.h"
#include "sys/process.h"
#include "sys/seqpacket.h"

#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace rk::ns {

namespace {

constexpr std::size_t kMaxReport = 512;  // bytes of an error text
constexpr char kEntered = '+';           // the first byte of its report; '-' and a text otherwise

[[noreturn]] void anchor(const TargetNamespaces& namespaces, sys::FdRef report, pid_t parent) {
    const Result<void> entered = namespaces.enter();
    // Asked for here, because entering a namespace may make the kernel forget it.
    sys::die_with_parent();
    if (::getppid() != parent) {
        ::_exit(1);
    }
    // /proc/PID/ns of a process that may not be traced is root's; ours holds no secret.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    const std::string text =
        entered ? std::string(1, kEntered) : "-" + entered.error().message.substr(0, kMaxReport);
    static_cast<void>(sys::send_packet(report, text));
    for (;;) {
        ::pause();
    }
}

Result<void> await(sys::FdRef report, sys::Deadline deadline) {
    pollfd ready{report.number(), POLLIN, 0};
    while (::poll(&ready, 1, deadline.poll_timeout()) < 0 && errno == EINTR) {
    }
    const auto text = TRY(sys::receive_packet(report, kMaxReport + 1));
    if (!text) {
        return fail(Error{"entering the namespaces took too long", ETIMEDOUT});
    }
    if (text->empty()) {
        return fail("the process that was to enter the namespaces died");
    }
    if (text->front() != kEntered) {
        return fail("{}", text->substr(1));
    }
    return {};
}

}  // namespace

Result<NamespaceAnchor> NamespaceAnchor::start(const TargetNamespaces& namespaces,
                                               sys::Deadline deadline) {
    auto [ours, theirs] = TRY(sys::seqpacket_pair());
    const pid_t parent = ::getpid();
    const pid_t pid = TRY(sys::clone_process(0));
    if (pid == 0) {
        ours.reset();
        anchor(namespaces, theirs, parent);
    }
    theirs.reset();
    NamespaceAnchor started(pid);
    TRY(await(ours, deadline));
    return started;
}

NamespaceAnchor::NamespaceAnchor(NamespaceAnchor&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)) {}

NamespaceAnchor::~NamespaceAnchor() {
    if (pid_ != 0) {
        sys::kill_hard(pid_);
        sys::wait_for_exit(pid_);
    }
}

}  // namespace rk::ns
