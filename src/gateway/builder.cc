// SPDX-License-Identifier: Apache-2.0
#include "gateway/builder.h"

#include "base/bytes.h"
#include "gateway/links.h"
#include "gateway/rule_set.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/seqpacket.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

namespace rk::gateway {

namespace {

constexpr std::size_t kMaxPacket = 1024;  // bytes; an error's text is cut to fit
constexpr std::size_t kMaxErrorText = 900;
constexpr std::chrono::seconds kSendPatience{2};

// One packet's descriptors, in an order both sides know. Which of them are there is a bit each.
using Slots = std::vector<sys::Fd*>;

Slots common_slots(Sockets& sockets) {
    return {&sockets.netns, &sockets.tcp4, &sockets.tcp6,           &sockets.icmp4,
            &sockets.icmp6, &sockets.diag, &sockets.ephemeral_ports};
}

Slots worker_slots(WorkerSockets& worker) {
    return {&worker.queue, &worker.udp4, &worker.udp6, &worker.dns4, &worker.dns6};
}

Result<void> send_slots(sys::FdRef channel, QueueMode mode, const Slots& slots) {
    std::uint16_t present = 0;
    std::vector<sys::FdRef> descriptors;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i]->valid()) {
            present = static_cast<std::uint16_t>(present | 1U << i);
            descriptors.emplace_back(*slots[i]);
        }
    }
    std::string packet =
        std::move(ByteWriter().u32(0).u8(static_cast<std::uint8_t>(mode)).u16(present)).take();
    return sys::send_packet_with(channel, packet, descriptors, sys::Deadline::after(kSendPatience));
}

// In the namespace itself: socket and sysctl show the one they were opened in, whoever reads them.
Result<void> open_watch(Sockets& sockets) {
    auto diag = TRY_CTX(sys::NetlinkSocket::open(NETLINK_SOCK_DIAG),
                        "open socket diagnostics (CONFIG_INET_DIAG)");
    sockets.diag = std::move(diag).release();
    auto range = sys::open_file("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY);
    if (range) {
        sockets.ephemeral_ports = std::move(*range);
    }
    return {};
}

// The order is the one in the header's theory of operation.
Result<Sockets> build(const ns::TargetNamespaces& target, const Plan& plan, Needs& needs) {
    TRY(target.enter());
    auto inside = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    Sockets sockets;
    if (plan.watch_sockets) {
        TRY(open_watch(sockets));
    }
    if (::unshare(CLONE_NEWNET) < 0) {
        return fail(errno_error(errno, "create the gateway's network namespace"));
    }
    sockets.netns = TRY(sys::open_file("/proc/self/ns/net", O_RDONLY));
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    needs = Needs::kVeth;
    TRY(create_links(inside, sockets.netns, plan));
    needs = Needs::kNothingSpecial;
    TRY(set_up_gateway_link(routing, plan));
    TRY(open_transparent_sockets(plan, sockets));
    needs = Needs::kTproxy;
    auto netfilter = TRY(sys::NetlinkSocket::open(NETLINK_NETFILTER));
    sockets.mode = TRY(install_rules(netfilter, plan));
    needs = Needs::kNothingSpecial;
    if (sockets.mode != QueueMode::kAcceptFirst) {
        TRY(open_queues(plan, sockets));
    }
    if (::setns(target.network().number(), CLONE_NEWNET) < 0) {
        return fail(errno_error(errno, "return to the child's network namespace"));
    }
    const unsigned index = ::if_nametoindex(plan.device.c_str());
    TRY_CTX(set_up_namespace_link(inside, plan, index), "set up interface {}", plan.device);
    return sockets;
}

Result<void> build_and_send(sys::FdRef channel, const ns::TargetNamespaces& target,
                            const Plan& plan, Needs& needs) {
    Sockets sockets = TRY(build(target, plan, needs));
    TRY(send_slots(channel, sockets.mode, common_slots(sockets)));
    for (WorkerSockets& worker : sockets.workers) {
        TRY(send_slots(channel, sockets.mode, worker_slots(worker)));
    }
    return {};
}

[[noreturn]] void builder_main(const sys::Fd& channel, const ns::TargetNamespaces& target,
                               const Plan& plan, pid_t parent) {
    sys::die_with_parent();
    Result<void> done;
    Needs needs = Needs::kNothingSpecial;
    if (::getppid() != parent) {
        done = fail("the parent is gone");
    } else {
        done = build_and_send(channel, target, plan, needs);
    }
    if (!done) {
        const std::string report =
            std::move(ByteWriter()
                          .u32(done.error().code != 0
                                   ? static_cast<std::uint32_t>(done.error().code)
                                   : EINVAL)
                          .u8(static_cast<std::uint8_t>(needs))
                          .bytes(std::string_view(done.error().message).substr(0, kMaxErrorText)))
                .take();
        static_cast<void>(sys::send_packet(channel, report));
    }
    ::_exit(done ? 0 : 1);
}

// What build_and_send() sent, put into `slots`.
Result<QueueMode> take_slots(sys::PacketWithDescriptors received, const Slots& slots,
                             Needs& needs) {
    ByteReader in(received.packet);
    if (const std::uint32_t code = in.u32(); code != 0) {
        needs = static_cast<Needs>(in.u8());
        return fail(Error{std::string(in.bytes(in.left())), static_cast<int>(code)});
    }
    const std::uint8_t mode = in.u8();
    const std::uint16_t present = in.u16();
    std::size_t next = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if ((present & 1U << i) != 0 && next < received.descriptors.size()) {
            *slots[i] = std::move(received.descriptors[next++]);
        }
    }
    if (!in.ok() || !in.at_end() || mode > static_cast<std::uint8_t>(QueueMode::kAcceptFirst)) {
        return fail("malformed report of the gateway's builder");
    }
    return static_cast<QueueMode>(mode);
}

}  // namespace

Builder::Builder(sys::Fd channel, pid_t pid, const Plan& plan)
    : channel_(std::move(channel)), pid_(pid), workers_(plan.workers) {}

Builder::Builder(Builder&& other) noexcept
    : channel_(std::move(other.channel_)),
      pid_(std::exchange(other.pid_, 0)),
      workers_(other.workers_) {}

Builder::~Builder() {
    if (pid_ != 0) {
        sys::kill_hard(pid_);
        sys::wait_for_exit(pid_);
    }
}

Result<Builder> Builder::start(const ns::TargetNamespaces& target, const Plan& plan) {
    auto [ours, theirs] = TRY(sys::seqpacket_pair());
    const pid_t parent = ::getpid();
    const pid_t pid = TRY(sys::clone_process(0));
    if (pid == 0) {
        ours.reset();
        builder_main(theirs, target, plan, parent);
    }
    return Builder(std::move(ours), pid, plan);
}

Result<sys::PacketWithDescriptors> Builder::await(sys::Deadline deadline,
                                                  const sys::Interrupt* interrupt) const {
    for (;;) {
        std::array<pollfd, 2> ready{
            {{channel_.number(), POLLIN, 0},
             {interrupt != nullptr ? interrupt->fd.number() : -1, POLLIN, 0}}};
        if (::poll(ready.data(), ready.size(), deadline.poll_timeout()) == 0) {
            return fail(errno_error(ETIMEDOUT, "wait for the gateway"));
        }
        if (ready[1].revents != 0 && interrupt->stop()) {
            return fail(Error{"interrupted", EINTR});
        }
        auto received = TRY(sys::receive_packet_with(channel_, kMaxPacket));
        if (received && received->packet.empty()) {
            return fail("the gateway's builder ended early");
        }
        if (received) {
            return std::move(*received);
        }
    }
}

Result<Sockets> Builder::finish(sys::Deadline deadline, const sys::Interrupt* interrupt) {
    Sockets sockets;
    auto received = TRY(await(deadline, interrupt));
    sockets.mode = TRY(take_slots(std::move(received), common_slots(sockets), needed_));
    for (unsigned i = 0; i < workers_; ++i) {
        received = TRY(await(deadline, interrupt));
        WorkerSockets& worker = sockets.workers.emplace_back();
        sockets.mode = TRY(take_slots(std::move(received), worker_slots(worker), needed_));
    }
    sys::wait_for_exit(std::exchange(pid_, 0));
    return sockets;
}

}  // namespace rk::gateway
