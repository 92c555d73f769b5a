// SPDX-License-Identifier: Apache-2.0
//
// A real relay in a sandboxed process of its own. Where mounting is forbidden the state says so,
// and the rest must hold all the same.
#include "relay/netns_source.h"
#include "relay/sandbox.h"
#include "sys/file.h"

#include <cstdlib>

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "namespace_child.h"
#include "relay_fixture.h"

namespace rk::relay {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// Runs `work` in a forked, sandboxed process and returns its wait status.
template <typename Work>
int in_sandbox(sys::FdRef kept, bool filter, const Work& work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        const SandboxState state = enter_sandbox({.channel = kept, .filter_system_calls = filter});
        ::_exit(work(state));
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

TEST(RelaySandbox, ClosesDescriptorsAndPrivileges) {
    const sys::Fd kept = bound(SOCK_DGRAM);
    const sys::Fd other = bound(SOCK_DGRAM);
    const int status = in_sandbox(kept, !kSanitized, [&](const SandboxState& state) {
        int one = 0;
        socklen_t length = sizeof one;
        const bool kept_open = ::getsockopt(kept.number(), SOL_SOCKET, SO_TYPE, &one, &length) == 0;
        const bool other_closed =
            ::getsockopt(other.number(), SOL_SOCKET, SO_TYPE, &one, &length) < 0;
        const bool told = state.descriptors_closed && state.no_new_privileges &&
                          state.not_dumpable && state.capabilities_dropped &&
                          (kSanitized || state.system_calls_filtered);
        return kept_open && other_closed && told ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
}

TEST(RelaySandbox, KeepsWhatIsNamed) {
    std::vector<sys::Fd> sockets;
    for (int i = 0; i < 6; ++i) {
        sockets.push_back(bound(SOCK_DGRAM));
    }
    const SandboxRequest request{.channel = sockets[4],
                                 .also_kept = {sockets[5], sockets[1], sockets[2]},
                                 .filter_system_calls = false};
    const pid_t pid = ::fork();
    if (pid == 0) {
        static_cast<void>(enter_sandbox(request));
        std::string open;
        for (const sys::Fd& socket : sockets) {
            open += ::fcntl(socket.number(), F_GETFD) >= 0 ? 'o' : '-';
        }
        ::_exit(open == "-oo-oo" ? 0 : 1);
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST(RelaySandbox, TheRootIsEmpty) {
    test::run_in_namespace(0, [](test::Report& report) {
        const sys::Fd kept = bound(SOCK_DGRAM);
        const int status = in_sandbox(kept, false, [](const SandboxState& state) {
            const bool nothing = ::access("/proc", F_OK) < 0 && ::access("/usr", F_OK) < 0 &&
                                 ::mkdir("/x", 0700) < 0;
            return state.empty_root && nothing ? 0 : 1;
        });
        report.expect(status == 0, "an empty root in which nothing can be made");
    });
}

// A sanitizer needs far more system calls than the filter allows: such builds do not have it.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(RelaySandbox, AnotherSystemCallKills) {
    const sys::Fd kept = bound(SOCK_DGRAM);
    const int status = in_sandbox(kept, true, [](const SandboxState& /*state*/) {
        return static_cast<int>(::syscall(SYS_ptrace, 0, 0, 0, 0));
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(RelaySandbox, OnlyInternetSocketsCanBeMade) {
    const sys::Fd kept = bound(SOCK_DGRAM);
    const int status = in_sandbox(kept, true, [](const SandboxState& /*state*/) {
        return ::socket(AF_UNIX, SOCK_STREAM, 0);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(RelaySandbox, PingSocketsCanBeMadeAndOtherProtocolsNot) {
    const sys::Fd kept = bound(SOCK_DGRAM);
    EXPECT_EQ(in_sandbox(kept, true,
                         [](const SandboxState& /*state*/) {
                             // Forbidden by ping_group_range or not: it may be asked for.
                             const sys::Fd v4(::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
                             const sys::Fd v6(::socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6));
                             return 0;
                         }),
              0);
    constexpr int kMptcp = 262;
    const int status = in_sandbox(kept, true, [](const SandboxState& /*state*/) {
        return ::socket(AF_INET, SOCK_STREAM, kMptcp);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(RelaySandbox, NobodyElseCanBeSignalled) {
    const sys::Fd kept = bound(SOCK_DGRAM);
    const pid_t other = ::getpid();
    const auto killed = [&](const auto& call) {
        const int status = in_sandbox(kept, true, [&](const SandboxState&) { return call(); });
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    };
    EXPECT_EQ(killed([&] { return ::syscall(SYS_tgkill, other, other, 0) == 0 ? 0 : 1; }), SIGSYS);
    EXPECT_EQ(killed([&] { return ::fcntl(kept.number(), F_SETOWN, other); }), SIGSYS);
    EXPECT_EQ(killed([&] { return ::fcntl(kept.number(), F_SETSIG, SIGKILL); }), SIGSYS);
    EXPECT_EQ(killed([]() -> int { std::abort(); }), SIGABRT);
    EXPECT_EQ(killed([&] { return ::fcntl(kept.number(), F_SETFL, O_NONBLOCK); }), 0);
}

TEST(RelaySandbox, InheritedNetlinkSocketsWork) {
    const sys::Fd kept(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    const int status = in_sandbox(kept, true, [&](const SandboxState& /*state*/) {
        const nlmsghdr done{.nlmsg_len = sizeof(nlmsghdr),
                            .nlmsg_type = NLMSG_NOOP,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                            .nlmsg_seq = 1,
                            .nlmsg_pid = 0};
        char answer[256];
        const bool sent = ::send(kept.number(), &done, sizeof done, 0) == sizeof done;
        return sent && ::recv(kept.number(), answer, sizeof answer, 0) > 0 ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
}

#endif

std::string status_of_thread(pid_t process, const std::string& thread) {
    const auto text = sys::read_file(fmt::format("/proc/{}/task/{}/status", process, thread));
    return text ? *text : std::string();
}

std::string field(const std::string& status, std::string_view name) {
    const auto at = status.find(fmt::format("\n{}:\t", name));
    return at == std::string::npos ? "?"
                                   : status.substr(at + name.size() + 3, status.find('\n', at + 1) -
                                                                             at - name.size() - 3);
}

// What a sandboxed process with a source does: says that it is there, waits, and makes a socket.
int live_with_source(sys::FdRef channel) {
    const auto network = sys::open_file("/proc/self/ns/net", O_RDONLY);
    const SandboxRequest request{.channel = channel,
                                 .also_kept = {*network},
                                 .keep_net_admin = true,
                                 .filter_system_calls = !kSanitized};
    SandboxState state = leave_files(request);
    auto source = NetnsSource::start(*network, NetnsSource::Addresses::kAny);
    if (!source) {
        return 2;
    }
    SocketSources sources;
    sources.gateway = std::move(*source);
    give_up_rights(request, sources, state);
    char byte = 0;
    if (::send(channel.number(), "r", 1, 0) != 1 || ::recv(channel.number(), &byte, 1, 0) != 1) {
        return 3;
    }
    const sys::Fd socket = sources.gateway->take(wire::Transport::kUdp, AF_INET);
    const sockaddr_in name = loopback(4711, 0xc0000201);
    return ::bind(socket.number(), raw(name), sizeof name) == 0 ? 0 : 4;
}

TEST(RelaySandbox, EveryThreadGivesUpItsRights) {
    test::run_in_namespace(CLONE_NEWNET, [](test::Report& report) {
        auto pair = sys::seqpacket_pair();
        const pid_t pid = ::fork();
        if (pid == 0) {
            pair->first.reset();
            ::_exit(live_with_source(pair->second));
        }
        pair->second.reset();
        char byte = 0;
        report.expect(::recv(pair->first.number(), &byte, 1, 0) == 1, "it lives");
        const auto threads = sys::list_directory(fmt::format("/proc/{}/task", pid));
        report.expect(threads && threads->size() == 2, "two threads");
        for (const std::string& thread : threads.value_or(std::vector<std::string>())) {
            const std::string status = status_of_thread(pid, thread);
            report.equal(field(status, "CapEff"), "0000000000001000", "CAP_NET_ADMIN alone");
            report.equal(field(status, "CapPrm"), "0000000000001000", "not even permitted");
            report.equal(field(status, "CapBnd"), "0000000000001000", "bounded");
            report.equal(field(status, "NoNewPrivs"), "1", "no_new_privs");
            report.equal(field(status, "Seccomp"), kSanitized ? "0" : "2", "seccomp");
        }
        report.expect(::send(pair->first.number(), "g", 1, 0) == 1, "go on");
        int status = -1;
        ::waitpid(pid, &status, 0);
        report.expect(status == 0, fmt::format("it makes sockets, status {:#x}", status));
    });
}

// The whole relay behind the filter: every path that makes system calls is walked.
TEST(RelaySandbox, TheRelayWorksInside) {
    auto pair = sys::seqpacket_pair();
    ASSERT_TRUE(pair);
    const pid_t pid = ::fork();
    if (pid == 0) {
        pair->first.reset();
        const SandboxState state =
            enter_sandbox({.channel = pair->second, .filter_system_calls = !kSanitized});
        static_cast<void>(state);
        ::_exit(run(std::move(pair->second), RelayLimits{.workers = 2, .udp_flow_idle_ms = 50})
                    ? 0
                    : 1);
    }
    pair->second.reset();
    RelayClient relay(std::move(pair->first));
    const sys::Fd service = listening();
    const std::uint16_t port = relay.add(1, listening(), port_of(service));
    const std::string big(std::size_t{4} << 20U, 'b');
    for (int i = 0; i < 4; ++i) {
        const sys::Fd client = connected(SOCK_STREAM, port);
        const sys::Fd inside = accepted(service);
        std::thread writer([&] {
            send_text(client, big);
            ::shutdown(client.number(), SHUT_WR);
        });
        EXPECT_EQ(receive_to_end(inside).size(), big.size());
        writer.join();
    }
    const sys::Fd datagrams = bound(SOCK_DGRAM);
    const std::uint16_t udp_port = relay.add(2, bound(SOCK_DGRAM), port_of(datagrams));
    const sys::Fd client = connected(SOCK_DGRAM, udp_port);
    send_text(client, "x");
    EXPECT_EQ(receive_text(datagrams), "x");
    EXPECT_TRUE(relay.becomes_idle());
    EXPECT_EQ(relay.remove(1), 0U);
    EXPECT_EQ(relay.remove(2), 0U);
    relay.hang_up();
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

// The regression of the original: out of descriptors, its listener was closed for good.
TEST(RelaySandbox, FewDescriptorsAndManyConnectionsRecover) {
    auto pair = sys::seqpacket_pair();
    ASSERT_TRUE(pair);
    const pid_t pid = ::fork();
    if (pid == 0) {
        pair->first.reset();
        const rlimit few{.rlim_cur = 64, .rlim_max = 64};
        const SandboxState state =
            enter_sandbox({.channel = pair->second, .filter_system_calls = false});
        ::setrlimit(RLIMIT_NOFILE, &few);
        static_cast<void>(state);
        ::_exit(run(std::move(pair->second), RelayLimits{.workers = 2}) ? 0 : 1);
    }
    pair->second.reset();
    RelayClient relay(std::move(pair->first));
    const sys::Fd service = listening();
    const std::uint16_t port = relay.add(1, listening(), port_of(service));
    std::vector<sys::Fd> clients;
    for (int i = 0; i < 80; ++i) {
        clients.push_back(connected(SOCK_STREAM, port));
    }
    EXPECT_TRUE(eventually([&] { return relay.counters(1).errors > 0; }));
    EXPECT_LT(relay.counters(1).active, 32U);
    clients.clear();
    const auto begin = std::chrono::steady_clock::now();
    const sys::Fd client = connected(SOCK_STREAM, port);
    send_text(client, "hello");
    std::optional<std::string> text;
    while (text != "hello") {  // the 80 come out of the queues first
        const sys::Fd inside = accepted(service);
        text = receive_text(inside);
        ASSERT_TRUE(text);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    EXPECT_EQ(relay.log().size(), 1U);
    relay.hang_up();
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace rk::relay
