// SPDX-License-Identifier: Apache-2.0
// The queue's messages against the running kernel: a chain that queues what leaves lo.
#include "sys/netlink.h"
#include "sys/netlink_request.h"
#include "wire/nfqueue.h"
#include "wire/packet_header.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "namespace_child.h"

namespace rk::wire {
namespace {

using sys::NetlinkMessage;

constexpr std::uint16_t kQueue = 3;
constexpr std::uint32_t kCopied = 128;  // bytes of each packet
constexpr int kPatienceMs = 5000;

NetlinkMessage nft(std::uint16_t message, std::uint16_t flags) {
    NetlinkMessage request(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | message), flags);
    nfgenmsg family{};
    family.nfgen_family = AF_INET;
    request.body(family);
    return request;
}

NetlinkMessage chain_at_output() {
    NetlinkMessage chain = nft(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    chain.text(NFTA_CHAIN_TABLE, "t").text(NFTA_CHAIN_NAME, "c");
    chain.nested(NFTA_CHAIN_HOOK, [](NetlinkMessage& hook) {
        hook.big_endian_u32(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
        hook.big_endian_u32(NFTA_HOOK_PRIORITY, 0);
    });
    return std::move(chain.text(NFTA_CHAIN_TYPE, "filter"));
}

NetlinkMessage rule(std::string_view expression,
                    const std::function<void(NetlinkMessage&)>& content) {
    NetlinkMessage rule = nft(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    rule.text(NFTA_RULE_TABLE, "t").text(NFTA_RULE_CHAIN, "c");
    rule.nested(NFTA_RULE_EXPRESSIONS, [&](NetlinkMessage& list) {
        list.nested(NFTA_LIST_ELEM, [&](NetlinkMessage& element) {
            element.text(NFTA_EXPR_NAME, expression).nested(NFTA_EXPR_DATA, content);
        });
    });
    return rule;
}

NetlinkMessage queue_expression() {
    return rule("queue", [](NetlinkMessage& data) {
        const std::string number = {0, static_cast<char>(kQueue)};
        data.attribute(NFTA_QUEUE_NUM, number);
        data.attribute(NFTA_QUEUE_TOTAL, std::string("\0\1", 2));
    });
}

NetlinkMessage xtables_target() {
    return rule("target", [](NetlinkMessage& data) {
        std::string info(8, '\0');  // xt_NFQ_info: the number in host order; XT_ALIGN
        std::memcpy(info.data(), &kQueue, sizeof kQueue);
        data.text(NFTA_TARGET_NAME, "NFQUEUE").big_endian_u32(NFTA_TARGET_REV, 0);
        data.attribute(NFTA_TARGET_INFO, info);
    });
}

// With whatever of the two this kernel has.
Result<void> queue_what_leaves() {
    sys::NetlinkSocket netlink = TRY(sys::NetlinkSocket::open(NETLINK_NETFILTER));
    std::vector<NetlinkMessage> batch;
    batch.push_back(nft(NFT_MSG_NEWTABLE, NLM_F_CREATE).text(NFTA_TABLE_NAME, "t"));
    batch.push_back(chain_at_output());
    batch.push_back(queue_expression());
    if (netlink.nftables_transaction(batch)) {
        return {};
    }
    batch.back() = xtables_target();
    return netlink.nftables_transaction(batch);
}

/// The queue as the gateway uses it, one datagram at a time.
class Queue {
 public:
    Queue() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)) {}

    // The kernel's answer to one request; -1 where there is none.
    int request(std::size_t size) {
        send(std::span(out_).first(size));
        const auto message = receive();
        const auto* answer = message ? std::get_if<QueueAnswer>(&*message) : nullptr;
        return answer != nullptr ? answer->code : -1;
    }
    int configure() {
        int code = request(put_queue_bind(out_, 1, kQueue));
        code = code != 0 ? code : request(put_queue_copy(out_, 2, kQueue, kCopied));
        code = code != 0 ? code : request(put_queue_length(out_, 3, kQueue, 512));
        return code != 0 ? code : request(put_queue_flags(out_, 4, kQueue));
    }
    std::optional<QueuedPacket> packet() {
        const auto message = receive();
        const auto* held = message ? std::get_if<QueuedPacket>(&*message) : nullptr;
        return held != nullptr ? std::optional(*held) : std::nullopt;
    }
    void verdict(const QueuedPacket& held, Verdict verdict) {
        std::array<std::byte, 256> buffer{};
        VerdictBatch batch(buffer);
        if (batch.add(held.queue, held.id, verdict, 5)) {
            send(batch.bytes());
        }
    }

 private:
    void send(std::span<const std::byte> bytes) const {
        ::send(socket_.number(), bytes.data(), bytes.size(), 0);
    }
    std::optional<QueueMessage> receive() {
        pollfd ready{socket_.number(), POLLIN, 0};
        if (::poll(&ready, 1, kPatienceMs) != 1) {
            return std::nullopt;
        }
        const ssize_t got = ::recv(socket_.number(), in_.data(), in_.size(), 0);
        const std::span<const std::byte> all(in_);
        QueueReader reader(all.first(got < 0 ? 0 : static_cast<std::size_t>(got)));
        return reader.next();
    }

    sys::Fd socket_;
    std::array<std::byte, kMaxQueueMessage> out_{};
    std::array<std::byte, 8192> in_{};
};

// A connect to a closed port of 127.0.0.1 that has been started.
sys::Fd start_connect(sockaddr_in& to, sockaddr_in& from) {
    sys::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    to.sin_family = AF_INET;
    to.sin_port = htons(81);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // NOLINTNEXTLINE(*-reinterpret-cast): socket API
    ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    socklen_t length = sizeof from;
    // NOLINTNEXTLINE(*-reinterpret-cast): socket API
    ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&from), &length);
    return socket;
}

int outcome(const sys::Fd& socket) {
    pollfd ready{socket.number(), POLLOUT, 0};
    ::poll(&ready, 1, kPatienceMs);
    int code = -1;
    socklen_t length = sizeof code;
    ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &code, &length);
    return code;
}

void hold_and_release(test::Report& report) {
    Queue queue;
    const int code = queue.configure();
    report.expect(code == 0, fmt::format("the kernel takes the requests ({})", code));
    sockaddr_in to{};
    sockaddr_in from{};
    const sys::Fd client = start_connect(to, from);
    const auto held = queue.packet();
    if (!held) {
        report.expect(false, "a packet is held");
        return;
    }
    const PacketHeader header = parse_packet_header(held->bytes);
    const auto* syn = std::get_if<TcpSyn>(&header);
    report.expect(held->queue == kQueue && held->ethertype == 0x0800, "its queue and type");
    report.expect(syn != nullptr, "it is a SYN");
    if (syn != nullptr) {
        report.equal(syn->to.text(), "127.0.0.1:81", "where to");
        report.equal(syn->from.text(), fmt::format("127.0.0.1:{}", ntohs(from.sin_port)), "from");
    }
    queue.verdict(*held, Verdict::kAccept);
    const auto reset = queue.packet();  // the other side's answer passes the same chain
    report.expect(reset.has_value(), "the reset is held");
    if (reset) {
        report.expect(std::holds_alternative<std::monostate>(parse_packet_header(reset->bytes)),
                      "it is no SYN");
        queue.verdict(*reset, Verdict::kAccept);
    }
    report.expect(outcome(client) == ECONNREFUSED, "the connection is refused after that");
}

TEST(QueueInTheKernel, HoldsASynUntilTheVerdict) {
    test::run_in_namespace(CLONE_NEWNET, [](test::Report& report) {
        report.expect(sys::bring_up_loopback().has_value(), "lo is up");
        if (const auto made = queue_what_leaves(); !made) {
            report.cannot_run(made.error().message);
            return;
        }
        hold_and_release(report);
    });
}

}  // namespace
}  // namespace rk::wire
