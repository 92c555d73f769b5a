// SPDX-License-Identifier: Apache-2.0
#include "relay/sandbox.h"

#include "base/result.h"
#include "base/text.h"
#include "relay/seccomp_filter.h"
#include "sys/capability.h"
#include "sys/file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <utility>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rk::relay {

namespace {

constexpr unsigned kFirstInherited = 3;

// By number, not by <unistd.h>'s wrapper, which old C libraries lack. Linux 5.9.
bool close_range(unsigned first, unsigned last) {
#ifdef SYS_close_range
    return ::syscall(SYS_close_range, first, last, 0) == 0;
#else
    return false;
#endif
}

Result<void> close_listed(const std::vector<unsigned>& kept) {
    for (const std::string& name : TRY(sys::list_directory("/proc/self/fd"))) {
        const auto number = parse_decimal(name, INT32_MAX);
        if (number && *number >= kFirstInherited &&
            std::find(kept.begin(), kept.end(), *number) == kept.end()) {
            ::close(static_cast<int>(*number));
        }
    }
    return {};
}

// `kept` is sorted.
bool close_ranges(const std::vector<unsigned>& kept) {
    unsigned first = kFirstInherited;
    for (const unsigned number : kept) {
        if (number > first && !close_range(first, number - 1)) {
            return false;
        }
        first = std::max(first, number + 1);
    }
    return close_range(first, ~0U);
}

// Descriptors 0 and 1 stay taken: the next sockets would get these numbers, and whatever a library
// prints would go to a client.
Result<void> close_descriptors(const SandboxRequest& request) {
    std::vector<unsigned> kept;
    for (const sys::FdRef fd : request.also_kept) {
        kept.push_back(static_cast<unsigned>(fd.number()));
    }
    kept.push_back(static_cast<unsigned>(request.channel.number()));
    std::sort(kept.begin(), kept.end());
    const sys::Fd null = TRY(sys::open_file("/dev/null", O_RDWR));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO}) {
        const bool used = std::binary_search(kept.begin(), kept.end(), unsigned(standard));
        if (!used && ::dup2(null.number(), standard) < 0) {
            return fail(errno_error(errno, "dup2"));
        }
    }
    return close_ranges(kept) ? Result<void>{} : close_listed(kept);
}

Result<void> mount_on(const char* directory) {
    if (::mount("tmpfs", directory, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                "size=4k,nr_inodes=2,mode=0555") < 0) {
        return fail(errno_error(errno, "mount tmpfs"));
    }
    return {};
}

// pivot_root(".", ".") puts the old root on top of the new one, where it can be taken off
// (pivot_root(2), NOTES). On an initramfs it is impossible, and chroot must do.
Result<void> enter_root(const char* directory) {
    if (::chdir(directory) < 0) {
        return fail(errno_error(errno, "chdir"));
    }
    if (::syscall(SYS_pivot_root, ".", ".") == 0) {
        if (::umount2(".", MNT_DETACH) < 0) {
            return fail(errno_error(errno, "unmount the old root"));
        }
    } else if (::chroot(".") < 0) {
        return fail(errno_error(errno, "chroot"));
    }
    if (::chdir("/") < 0) {
        return fail(errno_error(errno, "chdir"));
    }
    return {};
}

Result<void> leave_file_system() {
    if (::unshare(CLONE_NEWNS) < 0) {
        return fail(errno_error(errno, "unshare"));
    }
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
        return fail(errno_error(errno, "make mounts private"));
    }
    Result<void> mounted;
    for (const char* directory : {"/tmp", "/run", "/dev", "/proc"}) {  // any that exists will do
        mounted = mount_on(directory);
        if (mounted) {
            return enter_root(directory);
        }
    }
    return mounted;
}

Result<void> drop_capabilities(bool keep_net_admin) {
    constexpr unsigned kNetAdmin = CAP_NET_ADMIN;
    for (unsigned number = 0; ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; ++number) {
        if (!keep_net_admin || number != kNetAdmin) {
            // Needs CAP_SETPCAP; without it, and with no_new_privs, the set is of no use anyway.
            static_cast<void>(::prctl(PR_CAPBSET_DROP, number, 0, 0, 0));
        }
    }
    static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    const bool keeps = keep_net_admin && sys::has_effective_capability(sys::Capability::kNetAdmin);
    const std::uint32_t kept = keeps ? 1U << kNetAdmin : 0U;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};  // version 3 has 64 bits in two words
    sets[0].effective = kept;
    sets[0].permitted = kept;
    if (::syscall(SYS_capset, &header, sets.data()) < 0) {
        return fail(errno_error(errno, "capset"));
    }
    return {};
}

Result<void> forbid_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail(errno_error(errno, "no_new_privs"));
    }
    return {};
}

Result<void> forbid_inspection() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail(errno_error(errno, "dumpable"));
    }
    return {};
}

bool note(SandboxState& state, std::string_view step, const Result<void>& outcome) {
    if (!outcome) {
        state.problems += fmt::format("{}{}: {}", state.problems.empty() ? "" : "; ", step,
                                      outcome.error().message);
    }
    return outcome.has_value();
}

// What belongs to each thread by itself.
Result<void> in_all_threads(const SocketSources& sources,
                            const std::function<Result<void>()>& work) {
    Result<void> all = work();
    sources.each([&](SocketSource& source) {
        if (Result<void> one = source.perform(work); !one && all) {
            all = std::move(one);
        }
    });
    return all;
}

}  // namespace

std::string SandboxState::text() const {
    return complete() ? "sandbox complete" : fmt::format("sandbox incomplete: {}", problems);
}

Result<void> shed_descriptors(const SandboxRequest& request) {
    return close_descriptors(request);
}

SandboxState leave_files(const SandboxRequest& request) {
    SandboxState state;
    state.descriptors_closed = note(state, "descriptors", close_descriptors(request));
    state.empty_root = note(state, "empty root", leave_file_system());
    return state;
}

void give_up_rights(const SandboxRequest& request, const SocketSources& sources,
                    SandboxState& state) {
    state.capabilities_dropped =
        note(state, "capabilities",
             in_all_threads(sources, [&] { return drop_capabilities(request.keep_net_admin); }));
    state.no_new_privileges = note(state, "privileges", in_all_threads(sources, forbid_privileges));
    state.not_dumpable = note(state, "inspection", forbid_inspection());
    if (request.filter_system_calls) {
        state.system_calls_filtered = note(state, "system calls", filter_system_calls());
    }
}

SandboxState enter_sandbox(const SandboxRequest& request) {
    SandboxState state = leave_files(request);
    give_up_rights(request, {}, state);
    return state;
}

}  // namespace rk::relay
