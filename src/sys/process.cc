// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include "base/bytes.h"
#include "sys/fd.h"
#include "sys/file.h"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rk::sys {

namespace {

// rootlesskit's exit code for a command that a signal ended; upstream's tests assert it.
constexpr int kExitCodeForSignal = 255;

ChildEvent event_of(const siginfo_t& info) {
    ChildEvent event;
    event.pid = info.si_pid;
    switch (info.si_code) {
        case CLD_STOPPED:
        case CLD_TRAPPED:
            event.kind = ChildEvent::Kind::kStopped;
            event.stop_signal = info.si_status;
            break;
        case CLD_CONTINUED:
            event.kind = ChildEvent::Kind::kContinued;
            break;
        default:
            event.status =
                ExitStatus{info.si_code != CLD_EXITED, info.si_status, info.si_code == CLD_DUMPED};
    }
    return event;
}

}  // namespace

std::string ExitStatus::text() const {
    if (!signalled) {
        return fmt::format("exit status {}", number);
    }
    return fmt::format("signal: {}{}", signal_text(number), core_dumped ? " (core dumped)" : "");
}

int ExitStatus::exit_code() const {
    return signalled ? kExitCodeForSignal : number;
}

std::optional<ChildEvent> next_child_event(pid_t pid) {
    siginfo_t info{};
    const idtype_t which = pid == 0 ? P_ALL : P_PID;
    if (::waitid(which, static_cast<id_t>(pid), &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) <
            0 ||
        info.si_pid == 0) {
        return std::nullopt;
    }
    return event_of(info);
}

ExitStatus wait_for_exit(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) < 0) {
        if (errno != EINTR) {
            return ExitStatus{true, SIGKILL, false};  // reaped elsewhere: cannot be, we own it
        }
    }
    return event_of(info).status;
}

Result<pid_t> clone_process(unsigned long namespace_flags) {
    const long pid =
        ::syscall(SYS_clone, namespace_flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid < 0) {
        return fail(errno_error(errno, "fork/exec /proc/self/exe"));
    }
    return static_cast<pid_t>(pid);
}

Result<void> run_forked(unsigned long namespace_flags, const std::function<Result<void>()>& work) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
        return fail(errno_error(errno, "pipe"));
    }
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const long pid =
        ::syscall(SYS_clone, namespace_flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid < 0) {
        return fail(errno_error(errno, "clone"));
    }
    if (pid == 0) {
        const Result<void> done = work();
        if (!done) {
            const std::string report =
                std::move(ByteWriter()
                              .u32(static_cast<std::uint32_t>(done.error().code))
                              .bytes(done.error().message))
                    .take();
            [[maybe_unused]] const auto told =
                ::write(writer.number(), report.data(), report.size());
        }
        ::_exit(done ? 0 : 1);
    }
    writer.reset();
    const Result<std::string> report = read_all(reader, "the forked process' report");
    const ExitStatus status = wait_for_exit(static_cast<pid_t>(pid));
    if (report && !report->empty()) {
        ByteReader in(*report);
        const auto code = static_cast<int>(in.u32());
        return fail(Error{std::string(in.bytes(in.left())), code});
    }
    if (!status.success()) {
        return fail("forked process ended early: {}", status.text());
    }
    return {};
}

void die_with_parent() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

void kill_hard(pid_t pid) {
    ::kill(pid, SIGKILL);
}

}  // namespace rk::sys
