// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/helper_process.h"

#include "base/text.h"
#include "sys/file.h"
#include "sys/pipe.h"
#include "sys/spawn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::drivers {

namespace {

constexpr std::size_t kMaxTail = 512;   // bytes of output shown when it ends unexpectedly
constexpr std::size_t kMaxLine = 1024;  // bytes; a longer line is logged in pieces
constexpr int kLookEveryMs = 20;        // without pidfd; at the start only

// For a FIFO there is no write end: the helper opens it by itself.
Result<sys::Pipe> make_ready_pipe(const HelperPlan& plan) {
    if (!plan.tells_ready) {
        return sys::Pipe{};
    }
    if (plan.ready_fifo.empty()) {
        return sys::make_pipe();
    }
    sys::Pipe ready;
    ready.read_end = TRY(sys::make_fifo(plan.ready_fifo));
    return ready;
}

Result<pid_t> spawn_program(const HelperPlan& plan, const sys::Pipe& ready,
                            const sys::Pipe& output) {
    sys::Fd opened = TRY(sys::open_file("/dev/null", O_RDONLY));
    const sys::Fd nothing = TRY(sys::above_spawned(std::move(opened)));
    sys::SpawnPlan spawn;
    spawn.path = plan.path;
    spawn.argv = plan.arguments;
    spawn.environment = plan.environment;
    spawn.signal_mask = sys::no_signals();
    spawn.default_signals = true;
    spawn.own_session = true;
    spawn.input = nothing;
    spawn.output = output.write_end;
    spawn.error = output.write_end;
    if (ready.write_end.valid()) {
        spawn.extra = ready.write_end;
    }
    spawn.nothing_else = true;
    return sys::spawn(spawn);
}

// The parent has one thread and is in no call of a library here, so the heap is sound in the child.
Result<pid_t> fork_function(const HelperPlan& plan, sys::Pipe& ready, const sys::Pipe& output) {
    const pid_t parent = ::getpid();
    const pid_t pid = TRY(sys::clone_process(0));
    if (pid == 0) {
        sys::die_with_parent();
        if (::getppid() != parent || ::dup2(output.write_end.number(), STDERR_FILENO) < 0) {
            ::_exit(1);
        }
        ::setsid();
        ::_exit(plan.run(std::move(ready.write_end)));
    }
    return pid;
}

}  // namespace

Result<HelperProcess> HelperProcess::start(const HelperPlan& plan, const Logger& log) {
    sys::Pipe ready = TRY_CTX(make_ready_pipe(plan), "fork/exec {}", plan.path);
    sys::Pipe output = TRY_CTX(sys::make_pipe(), "fork/exec {}", plan.path);
    if (!plan.old_socket.empty()) {
        ::unlink(plan.old_socket.c_str());
    }
    const pid_t pid =
        TRY(plan.run ? fork_function(plan, ready, output) : spawn_program(plan, ready, output));
    log.debug("{} (PID {}): {}", plan.name, pid, join(plan.arguments, " "));
    return HelperProcess(plan, pid, std::move(ready.read_end), std::move(output.read_end), log);
}

HelperProcess::HelperProcess(const HelperPlan& plan, pid_t pid, sys::Fd ready, sys::Fd output,
                             const Logger& log)
    : name_(plan.name),
      pid_(pid),
      ready_(std::move(ready)),
      output_(std::move(output)),
      is_ready_(!plan.tells_ready),
      log_(log) {
    // By number: glibc 2.36's <sys/pidfd.h> forgets extern "C". Close-on-exec by itself.
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd >= 0) {
        exited_ = sys::Fd(fd);
    }
}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, 0)),
      exited_(std::move(other.exited_)),
      ready_(std::move(other.ready_)),
      output_(std::move(other.output_)),
      is_ready_(other.is_ready_),
      word_(std::move(other.word_)),
      line_(std::move(other.line_)),
      tail_(std::move(other.tail_)),
      log_(other.log_) {}

HelperProcess::~HelperProcess() {
    // As PID 1 of a container we reap whatever ends, so the number may be somebody else's by now;
    // look_ended() finds that out.
    if (pid_ != 0 && !look_ended()) {
        sys::kill_hard(pid_);
        sys::wait_for_exit(pid_);
    }
}

Result<void> HelperProcess::wait_ready(sys::Deadline deadline, const sys::Interrupt* interrupt) {
    const int interrupt_fd = interrupt != nullptr ? interrupt->fd.number() : -1;
    while (!look_ready()) {
        if (const auto status = look_ended()) {
            take_output();
            return fail("{} ended before it was ready: {}", name_, end_text(*status));
        }
        if (deadline.passed()) {
            return fail(Error{fmt::format("{} did not get ready in time", name_), ETIMEDOUT});
        }
        // poll(2) ignores negative numbers.
        std::array<pollfd, 4> watched = {
            pollfd{interrupt_fd, POLLIN, 0}, pollfd{ready_.number(), POLLIN, 0},
            pollfd{output_.number(), POLLIN, 0}, pollfd{exited_.number(), POLLIN, 0}};
        const int left = deadline.poll_timeout();
        const int timeout = exited_.valid() ? left : std::min(left, kLookEveryMs);
        if (::poll(watched.data(), watched.size(), timeout) < 0 && errno != EINTR) {
            return fail(errno_error(errno, "wait for " + name_));
        }
        take_output();
        if (watched[0].revents != 0 && interrupt->stop()) {
            return fail(Error{fmt::format("start of {} interrupted", name_), EINTR});
        }
    }
    return {};
}

bool HelperProcess::look_ready() {
    std::array<char, kMaxReadyWord> word{};
    if (!is_ready_ && ready_.valid()) {
        const ssize_t got = ::read(ready_.number(), word.data(), word.size());
        is_ready_ = got > 0;
        word_.assign(word.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        if (got >= 0) {
            ready_.reset();  // nothing more will come
        }
    }
    return is_ready_;
}

bool HelperProcess::take_output() {
    std::array<char, 16384> chunk;  // NOLINT(*-member-init): filled by read
    if (!output_.valid()) {
        return false;
    }
    const ssize_t got = ::read(output_.number(), chunk.data(), chunk.size());
    if (got > 0) {
        log_lines({chunk.data(), static_cast<std::size_t>(got)});
    }
    if (got == 0) {
        output_.reset();
    }
    return output_.valid();
}

void HelperProcess::log_lines(std::string_view text) {
    tail_ += text;
    tail_.erase(0, tail_.size() - std::min(tail_.size(), kMaxTail));
    for (const char c : text) {
        if (c != '\n') {
            line_ += c;
        }
        if (c == '\n' || line_.size() >= kMaxLine) {
            log_.debug("network/{}: {}", name_, line_);
            line_.clear();
        }
    }
}

std::optional<sys::ExitStatus> HelperProcess::look_ended() {
    if (pid_ == 0) {
        return std::nullopt;
    }
    pollfd exited{exited_.number(), POLLIN, 0};
    const bool over = exited_.valid() && ::poll(&exited, 1, 0) == 1;
    while (const auto event = sys::next_child_event(pid_)) {
        if (event->kind == sys::ChildEvent::Kind::kExited) {
            pid_ = 0;
            return event->status;
        }
    }
    if (!over) {
        return std::nullopt;
    }
    pid_ = 0;  // over, but not ours to reap: the parent did it, as PID 1
    return sys::ExitStatus{true, SIGKILL, false};
}

std::string HelperProcess::end_text(const sys::ExitStatus& status) const {
    const std::string_view printed = trim(tail_);
    return printed.empty() ? status.text()
                           : fmt::format("{}, having printed {}", status.text(), quote(printed));
}

}  // namespace rk::drivers
