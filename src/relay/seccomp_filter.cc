// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation
//
// The list is by purpose. System calls of the data path are allowed whatever their arguments: the
// kernel (5.11) then decides by a bitmap, without running the filter. Arguments are checked where a
// call could undo the sandbox: which sockets are made, whether memory may be executed, whether
// clone makes a thread or a process, whom a signal reaches (fcntl sends them, too: F_SETOWN).
#include "relay/seccomp_filter.h"

#include <seccomp.h>

#include <cerrno>
#include <span>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rk::relay {

namespace {

constexpr int kAllowed[] = {
    // Events.
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    // Connections and datagrams. read and write: the eventfd, and stderr for a last word.
    SCMP_SYS(accept4),
    SCMP_SYS(bind),
    SCMP_SYS(connect),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(splice),
    SCMP_SYS(pipe2),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(close),
    // Memory and threads of the C library; the end.
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

// Tried by the C library (or by a message about a bug), which can go on without.
constexpr int kFailing[] = {SCMP_SYS(open),  SCMP_SYS(openat),  SCMP_SYS(prctl),
                            SCMP_SYS(ioctl), SCMP_SYS(madvise), SCMP_SYS(sched_yield)};

// Of fcntl: whether a descriptor waits, pipe sizes, a second descriptor.
constexpr std::uint64_t kDescriptorCommands[] = {
    F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, F_GETPIPE_SZ};

// Netlink sockets are made before the filter holds, and inherited.
struct SocketRule {
    std::uint64_t family;
    std::uint64_t type;
    std::uint64_t protocol;
};
constexpr SocketRule kSockets[] = {
    {AF_INET, SOCK_STREAM, IPPROTO_TCP},    {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP},     {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
    {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},  // ping, where ping_group_range allows
    {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
};

Result<void> check(int code, const char* what) {
    return code == 0 ? Result<void>{} : fail(errno_error(-code, what));
}

// Owns libseccomp's context.
class Filter {
 public:
    Filter() : context_(::seccomp_init(SCMP_ACT_KILL_PROCESS)) {}
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;
    ~Filter() { ::seccomp_release(context_); }

    [[nodiscard]] bool valid() const { return context_ != nullptr; }
    /// A call that this architecture does not have is no error: it cannot be made either.
    Result<void> rule(std::uint32_t action, int call,
                      std::span<const scmp_arg_cmp> arguments = {}) {
        const int code = ::seccomp_rule_add_array(
            context_, action, call, static_cast<unsigned>(arguments.size()), arguments.data());
        return check(code == -EDOM ? 0 : code, "seccomp_rule_add");
    }
    Result<void> load() {
        // Threads that exist already (sources of sockets) get it as well, or nobody does.
        TRY(check(::seccomp_attr_set(context_, SCMP_FLTATR_CTL_TSYNC, 1), "seccomp_attr_set"));
        // A balanced tree instead of a list of comparisons.
        static_cast<void>(::seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2));
        return check(::seccomp_load(context_), "seccomp_load");
    }

 private:
    scmp_filter_ctx context_;
};

scmp_arg_cmp equals(unsigned argument, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

Result<void> add_checked(Filter& filter) {
    constexpr std::uint64_t kTypeBits = 0xf;  // above are SOCK_NONBLOCK and SOCK_CLOEXEC
    for (const SocketRule& socket : kSockets) {
        const scmp_arg_cmp arguments[] = {equals(0, socket.family),
                                          masked(1, kTypeBits, socket.type),
                                          equals(2, socket.protocol)};
        TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(socket), arguments));
    }
    const scmp_arg_cmp not_executable[] = {masked(2, PROT_EXEC, 0)};
    TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mmap), not_executable));
    TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), not_executable));
    const scmp_arg_cmp thread[] = {masked(0, CLONE_THREAD, CLONE_THREAD)};
    TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(clone), thread));
    // Its flags are behind a pointer. The C library then falls back on clone.
    TRY(filter.rule(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3)));
    constexpr std::uint64_t kInt = 0xffffffff;  // what the kernel looks at of an argument
    for (const std::uint64_t command : kDescriptorCommands) {
        const scmp_arg_cmp arguments[] = {masked(1, kInt, command)};
        TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), arguments));
    }
    const scmp_arg_cmp own_threads[] = {masked(0, kInt, static_cast<std::uint64_t>(::getpid()))};
    TRY(filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), own_threads));
    const scmp_arg_cmp own_limits[] = {equals(0, 0)};
    return filter.rule(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), own_limits);
}

}  // namespace

Result<void> filter_system_calls() {
    Filter filter;
    if (!filter.valid()) {
        return fail("seccomp_init failed");
    }
    for (const int call : kAllowed) {
        TRY(filter.rule(SCMP_ACT_ALLOW, call));
    }
    for (const int call : kFailing) {
        TRY(filter.rule(SCMP_ACT_ERRNO(EPERM), call));
    }
    TRY(add_checked(filter));
    return filter.load();
}

}  // namespace rk::relay
