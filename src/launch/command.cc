// SPDX-License-Identifier: Apache-2.0
#include "launch/command.h"

#include "base/text.h"
#include "sys/process.h"

#include <array>
#include <cerrno>

#include <sys/prctl.h>
#include <unistd.h>

namespace rk::launch {

namespace {

constexpr const char* kListenPid = "LISTEN_PID";
constexpr std::size_t kPidDigits = 10;

// All that the vforked process touches; prepared before, because it shares our memory.
struct ExecPlan {
    const char* path = nullptr;
    char** argv = nullptr;
    char** envp = nullptr;
    char* listen_pid_digits = nullptr;  // kPidDigits bytes to fill, or null
    sigset_t signal_mask{};
    bool sigchld_ignored = false;
    bool own_session = false;
    pid_t parent = 0;
};

// Left-aligned decimal digits and a terminating NUL. No library call: runs between vfork and exec.
void write_digits(char* out, pid_t value) {
    std::array<char, kPidDigits> reversed{};
    std::size_t count = 0;
    do {
        reversed[count++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value > 0 && count < reversed.size());
    for (std::size_t i = 0; i < count; ++i) {
        out[i] = reversed[count - 1 - i];
    }
    out[count] = '\0';
}

// Between vfork and exec: system calls only, nothing of the parent's state is changed but the errno
// slot and the digits made for this purpose.
[[noreturn]] void become_command(const ExecPlan& plan, volatile int* failure) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != plan.parent) {
        ::_exit(1);  // the child died before the line above took effect
    }
    if (plan.own_session) {
        ::setsid();
    }
    if (plan.listen_pid_digits != nullptr) {
        write_digits(plan.listen_pid_digits, ::getpid());
    }
    if (plan.sigchld_ignored) {
        ::signal(SIGCHLD, SIG_IGN);
    }
    ::sigprocmask(SIG_SETMASK, &plan.signal_mask, nullptr);
    ::execve(plan.path, plan.argv, plan.envp);
    *failure = errno;
    ::_exit(1);
}

// noinline: the frame that calls vfork must not be shared with anything the caller still needs.
[[gnu::noinline]] pid_t vfork_command(const ExecPlan& plan, volatile int* failure) {
    const pid_t pid = ::vfork();
    if (pid == 0) {
        become_command(plan, failure);
    }
    return pid;
}

}  // namespace

Result<pid_t> start_command(const CommandPlan& plan) {
    std::string path = plan.argv.front();
    if (path.find('/') == std::string::npos) {
        path = TRY(sys::look_up_program(path, plan.environment.get("PATH").value_or("")));
    }
    std::vector<std::string> arguments = plan.argv;
    sys::Environment environment = plan.environment;
    if (plan.activated) {
        environment.set(kListenPid, std::string(kPidDigits, '0'));
    }
    std::vector<char*> argv = sys::exec_vector(arguments);
    std::vector<char*> envp = sys::exec_vector(environment.entries());

    ExecPlan exec_plan;
    exec_plan.path = path.c_str();
    exec_plan.argv = argv.data();
    exec_plan.envp = envp.data();
    if (plan.activated) {
        // set() put it last; skip "LISTEN_PID="
        exec_plan.listen_pid_digits = envp[envp.size() - 2] + std::string_view(kListenPid).size() + 1;
    }
    exec_plan.signal_mask = plan.signal_mask;
    exec_plan.sigchld_ignored = plan.sigchld_ignored;
    exec_plan.own_session = plan.own_session;
    exec_plan.parent = ::getpid();

    volatile int failure = 0;
    const pid_t pid = vfork_command(exec_plan, &failure);
    if (pid < 0) {
        return fail(errno_error(errno, "fork/exec " + path));
    }
    if (failure != 0) {
        sys::wait_for_exit(pid);
        return fail(errno_error(failure, "fork/exec " + path));
    }
    return pid;
}

std::string command_ended_text(const std::vector<std::string>& argv, std::string_view why) {
    return fmt::format("command [{}] exited: {}", join(argv, " "), why);
}

}  // namespace rk::launch
