// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: spawn() starts the helper without copying our address space and tells us
// about a failed exec. Two pipes carry its output, a pidfd its
// end; one poll(2) watches all three, so neither a helper that prints without end, nor one that
// closes its output and sleeps, nor one whose own children keep the pipes open can hold us past the
// deadline. SIGCHLD is never used: it may be blocked or belong to a signalfd. Where the kernel has
// no pidfd (before 5.3, or refused by seccomp) we look every few milliseconds instead.
#include "sys/run_program.h"

#include "sys/file.h"
#include "sys/pipe.h"
#include "sys/spawn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::sys {

namespace {

constexpr int kLookEveryMs = 5;  // without pidfd; a fraction of a program start

void append_bounded(std::string& text, std::string_view more) {
    text.append(more.substr(0, kMaxProgramOutput - text.size()));
}

}  // namespace

std::string ProgramOutcome::status_text() const {
    return timed_out ? "timed out" : status.text();
}

sigset_t no_signals() {
    sigset_t none;
    ::sigemptyset(&none);
    return none;
}

Result<RunningProgram> RunningProgram::start(const std::string& path,
                                             const std::vector<std::string>& arguments,
                                             const Environment& environment,
                                             const sigset_t& signal_mask) {
    Pipe out = TRY_CTX(make_pipe(), "fork/exec {}", path);
    Pipe err = TRY_CTX(make_pipe(), "fork/exec {}", path);
    Fd opened = TRY_CTX(open_file("/dev/null", O_RDONLY), "fork/exec {}", path);
    const Fd nothing = TRY_CTX(above_spawned(std::move(opened)), "fork/exec {}", path);
    SpawnPlan plan;
    plan.path = path;
    plan.argv = arguments;
    plan.environment = environment;
    plan.signal_mask = signal_mask;
    plan.default_signals = true;
    plan.input = nothing;
    plan.output = out.write_end;
    plan.error = err.write_end;
    const pid_t pid = TRY(spawn(plan));
    return RunningProgram(pid, std::move(out.read_end), std::move(err.read_end));
}

RunningProgram::RunningProgram(pid_t pid, Fd out, Fd err) : pid_(pid) {
    out_.fd = std::move(out);
    err_.fd = std::move(err);
    // By number: glibc 2.36's <sys/pidfd.h> forgets extern "C". Close-on-exec by itself.
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) {
        exited_ = Fd(fd);
    }
}

RunningProgram::RunningProgram(RunningProgram&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      exited_(std::move(other.exited_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      both_(std::move(other.both_)),
      status_(other.status_) {}

RunningProgram& RunningProgram::operator=(RunningProgram&& other) noexcept {
    if (this != &other) {
        kill_and_reap();
        pid_ = std::exchange(other.pid_, 0);
        exited_ = std::move(other.exited_);
        out_ = std::move(other.out_);
        err_ = std::move(other.err_);
        both_ = std::move(other.both_);
        status_ = other.status_;
    }
    return *this;
}

RunningProgram::~RunningProgram() {
    kill_and_reap();
}

void RunningProgram::kill_and_reap() {
    if (pid_ != 0) {
        // A set-user-ID helper can be killed too: its real uid stays ours (kill(2)).
        kill_hard(pid_);
        status_ = wait_for_exit(pid_);
        pid_ = 0;
    }
}

Result<ProgramOutcome> RunningProgram::wait(Deadline deadline, const Interrupt* interrupt) {
    Event event = Event::kActivity;
    while (event == Event::kActivity) {
        event = TRY(wait_for_event(deadline, interrupt));
        drain(out_);
        drain(err_);
    }
    kill_and_reap();  // nothing is left to kill after kExited
    return ProgramOutcome{.timed_out = event == Event::kDeadline,
                          .interrupted = event == Event::kInterrupted,
                          .status = status_,
                          .output = std::move(both_),
                          .standard_output = std::move(out_.text),
                          .standard_error = std::move(err_.text)};
}

Result<RunningProgram::Event> RunningProgram::wait_for_event(Deadline deadline,
                                                             const Interrupt* interrupt) {
    // poll(2) ignores negative numbers: streams at their end, a missing pidfd, no interrupt.
    const int interrupt_fd = interrupt != nullptr ? interrupt->fd.number() : -1;
    std::array<pollfd, 4> watched = {
        pollfd{interrupt_fd, POLLIN, 0}, pollfd{out_.fd.number(), POLLIN, 0},
        pollfd{err_.fd.number(), POLLIN, 0}, pollfd{exited_.number(), POLLIN, 0}};
    int timeout = deadline.poll_timeout();
    if (!exited_.valid()) {
        timeout = std::min(timeout, kLookEveryMs);
    }
    if (::poll(watched.data(), watched.size(), timeout) < 0 && errno != EINTR) {
        return fail(errno_error(errno, "wait for a program"));
    }
    if (const auto event = next_child_event(pid_);
        event && event->kind == ChildEvent::Kind::kExited) {
        status_ = event->status;
        pid_ = 0;
        return Event::kExited;
    }
    if (watched[0].revents != 0 && interrupt->stop()) {
        return Event::kInterrupted;
    }
    return deadline.passed() ? Event::kDeadline : Event::kActivity;
}

// Reads what is there now; at most a pipe's worth, so that an endless writer gets us back to the
// deadline.
void RunningProgram::drain(Stream& stream) {
    std::array<char, 16384> chunk;  // NOLINT(*-member-init): filled by read
    for (std::size_t taken = 0; stream.fd.valid() && taken < kMaxProgramOutput;) {
        const ssize_t got = ::read(stream.fd.number(), chunk.data(), chunk.size());
        if (got < 0) {
            return;  // EAGAIN: nothing more for now
        }
        if (got == 0) {
            stream.fd.reset();
            return;
        }
        const std::string_view part(chunk.data(), static_cast<std::size_t>(got));
        append_bounded(stream.text, part);
        append_bounded(both_, part);
        taken += part.size();
    }
}

}  // namespace rk::sys
