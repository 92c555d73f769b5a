// SPDX-License-Identifier: Apache-2.0
#include "launch/spawn_child.h"

#include "launch/names.h"
#include "sys/clock.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::launch {

namespace {

// How long a child that said it failed may take to exit before it is killed.
constexpr std::chrono::milliseconds kExitPatience{1000};

struct ExecImage {
    int channel;
    int parents_end;
    char** argv;
    char** envp;
};

// A SetUpFailed packet made without the heap: kind, step, errno in little-endian order.
void report_exec_failure(int channel, int code) {
    const auto value = static_cast<unsigned>(code);
    const std::array<unsigned char, 6> packet = {
        static_cast<unsigned char>(wire::MessageKind::kSetUpFailed),
        static_cast<unsigned char>(wire::ChildStep::kExec),
        static_cast<unsigned char>(value & 0xffU),
        static_cast<unsigned char>(value >> 8U & 0xffU),
        static_cast<unsigned char>(value >> 16U & 0xffU),
        static_cast<unsigned char>(value >> 24U)};
    ::send(channel, packet.data(), packet.size(), MSG_NOSIGNAL);
}

// Runs in the cloned process, between clone and exec: system calls only. Its capabilities are full
// since clone(2) made its user namespace, and stay so over the exec because its uid is 0 by then.
[[noreturn]] void wait_and_exec(const ExecImage& image) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    ::close(image.parents_end);  // so that the parent's death is EOF, also before the line above
    char kind = 0;
    const ssize_t got = ::recv(image.channel, &kind, sizeof kind, 0);
    if (got != 1 || kind != static_cast<char>(wire::MessageKind::kIdMapDone)) {
        ::_exit(1);
    }
    ::fcntl(image.channel, F_SETFD, 0);
    ::execve(kSelf, image.argv, image.envp);
    report_exec_failure(image.channel, errno);
    ::_exit(1);
}

// A program with a file capability is not dumpable (prctl(2)), its clone's /proc files then belong
// to root, and newuidmap refuses to serve a process that is not its caller's.
class DumpableForClone {
 public:
    DumpableForClone() : before_(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0)) {
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    DumpableForClone(const DumpableForClone&) = delete;
    DumpableForClone& operator=(const DumpableForClone&) = delete;
    DumpableForClone(DumpableForClone&&) = delete;
    DumpableForClone& operator=(DumpableForClone&&) = delete;
    ~DumpableForClone() {
        if (before_ == 0) {  // 2 cannot be set again, and 1 is in force already
            ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        }
    }

 private:
    int before_;
};

}  // namespace

ChildProcess::~ChildProcess() {
    if (pid_ != 0) {
        sys::kill_hard(pid_);
        sys::wait_for_exit(pid_);
    }
}

sys::ExitStatus ChildProcess::wait_or_kill() {
    // EOF on the channel is the event that comes with its death.
    const sys::Deadline deadline = sys::Deadline::after(kExitPatience);
    for (;;) {
        pollfd ready{channel_.fd().number(), POLLIN, 0};
        const int count = ::poll(&ready, 1, deadline.poll_timeout());
        if (count == 0) {
            sys::kill_hard(pid_);
            break;
        }
        const auto arrival = channel_.receive();
        if (!arrival || arrival->end) {
            break;
        }
    }
    return sys::wait_for_exit(std::exchange(pid_, 0));
}

Result<ChildProcess> spawn_child(unsigned long namespace_flags,
                                 const std::vector<std::string>& argv,
                                 sys::Environment environment) {
    auto [ours, theirs] = TRY(Channel::create_pair());
    environment.set(kChildVariable, fmt::format("{}", theirs.fd().number()));
    std::vector<std::string> arguments = argv;
    arguments.front() = kSelf;
    std::vector<char*> argv_pointers = sys::exec_vector(arguments);
    std::vector<char*> envp_pointers = sys::exec_vector(environment.entries());
    const ExecImage image{theirs.fd().number(), ours.fd().number(), argv_pointers.data(),
                          envp_pointers.data()};
    const DumpableForClone dumpable;
    const pid_t pid = TRY(sys::clone_process(namespace_flags));
    if (pid == 0) {
        wait_and_exec(image);
    }
    return ChildProcess(pid, std::move(ours));
}

}  // namespace rk::launch
