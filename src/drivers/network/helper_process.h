// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "sys/clock.h"
#include "sys/environment.h"
#include "sys/fd.h"
#include "sys/process.h"
#include "sys/run_program.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace rk::drivers {

/// How to start a helper that runs as long as the network does: another program, or a function of
/// ours in a process of its own.
struct HelperPlan {
    std::string name;                    // for log lines and errors
    std::string path;                    // absolute
    std::vector<std::string> arguments;  // with argument 0
    sys::Environment environment;
    std::string ready_fifo;  // "" = it says on descriptor 3 that it works; else on this FIFO, which
                             // is made for it
    bool tells_ready = true;  // else it counts as ready from the start
    std::string old_socket;   // removed before each start: what a dead one has left; "" = none
    /// Instead of a program: runs in a fork of this process, with stderr as its output, and returns
    /// the exit status. It sheds what it must not keep itself. `ready` is for its word.
    std::function<int(sys::Fd ready)> run;
};

/// The longest word a helper may tell, in bytes.
inline constexpr std::size_t kMaxReadyWord = 64;

/// One running helper. It is our child and dies with us; it has a pipe (its descriptor 3, or a
/// FIFO) on which it writes something once it works; what it prints goes to the debug log. It is in
/// a session of its own, so that Ctrl-C does not cut the network off while the command still shuts
/// down. Killed and reaped at the end of this object's life.
class HelperProcess {
 public:
    /// Error: "fork/exec PATH: why".
    [[nodiscard]] static Result<HelperProcess> start(const HelperPlan& plan, const Logger& log);
    HelperProcess(const HelperProcess&) = delete;
    HelperProcess& operator=(const HelperProcess&) = delete;
    HelperProcess(HelperProcess&& other) noexcept;
    HelperProcess& operator=(HelperProcess&&) = delete;
    ~HelperProcess();

    /// Waits for its word on that pipe. Its end, the deadline (code ETIMEDOUT) and the interrupt
    /// (EINTR) are errors.
    [[nodiscard]] Result<void> wait_ready(sys::Deadline deadline, const sys::Interrupt* interrupt);

    /// Looks for that word without waiting; true also later.
    [[nodiscard]] bool look_ready();
    /// What the word was.
    [[nodiscard]] const std::string& ready_word() const { return word_; }
    /// Reads what it has printed. False at the end of its output.
    bool take_output();
    /// Whether it has ended, and how; reaps it.
    [[nodiscard]] std::optional<sys::ExitStatus> look_ended();
    /// "exit status 1, having printed \"...\"".
    [[nodiscard]] std::string end_text(const sys::ExitStatus& status) const;

    /// To be polled for reading; invalid (-1) once there is nothing to come.
    [[nodiscard]] sys::FdRef ready_fd() const { return ready_; }
    [[nodiscard]] sys::FdRef output_fd() const { return output_; }
    /// Its pidfd; invalid where the kernel has none (before 5.3, or forbidden by seccomp).
    [[nodiscard]] sys::FdRef exited_fd() const { return exited_; }
    [[nodiscard]] pid_t pid() const { return pid_; }

 private:
    HelperProcess(const HelperPlan& plan, pid_t pid, sys::Fd ready, sys::Fd output,
                  const Logger& log);
    void log_lines(std::string_view text);

    std::string name_;
    pid_t pid_;  // 0 once reaped
    sys::Fd exited_;
    sys::Fd ready_;
    sys::Fd output_;
    bool is_ready_ = false;
    std::string word_;
    std::string line_;  // the beginning of one
    std::string tail_;  // the last it printed
    const Logger& log_;
};

}  // namespace rk::drivers
