// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/dhcp_keeper.h"

#include "base/text.h"
#include "ns/interface_config.h"
#include "ns/network_namespace.h"
#include "ns/resolver_files.h"
#include "sys/random.h"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <sys/epoll.h>

namespace rk::drivers {

namespace {

using Clock = DhcpClient::Clock;
using State = DhcpClient::State;

constexpr unsigned kMaxRefusals = 3;  // at the start: a server that says no goes on saying so
constexpr int kMostPerWakeUp = 16;    // answers; then signals get their turn

// Milliseconds until `when`, at most until the deadline.
int poll_timeout(std::optional<DhcpClient::Time> when, sys::Deadline deadline) {
    const int limit = deadline.poll_timeout();
    if (!when) {
        return limit;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*when - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, limit));
}

// What a link that is not up yet, or a full queue, does to a packet; the network may lose any.
bool like_a_lost_packet(int code) {
    return code == ENETDOWN || code == ENOBUFS || code == EAGAIN;
}

}  // namespace

DhcpKeeper::DhcpKeeper(Plan plan, ns::DhcpSocket socket, const Logger& log)
    : plan_(std::move(plan)),
      socket_(std::move(socket)),
      log_(log),
      client_(socket_.mac(), sys::random_u32),
      server_mac_(model::kBroadcastMac) {}

DhcpKeeper::~DhcpKeeper() {
    if (loop_ != nullptr && listening_) {
        loop_->remove(socket_.fd());
    }
    DhcpOutput last;
    last.packet = client_.release();
    static_cast<void>(send(last));
}

Result<std::unique_ptr<DhcpKeeper>> DhcpKeeper::acquire(Plan plan, const Logger& log) {
    const std::string device = plan.setup.device;
    TRY(ns::in_network_namespace(plan.netns,
                                 [&] { return ns::bring_up_interface(device, plan.setup.mtu); }));
    ns::DhcpSocket socket = TRY_CTX(ns::DhcpSocket::open(plan.netns, device),
                                    "could not exchange DHCP with {}", device);
    std::unique_ptr<DhcpKeeper> keeper(new DhcpKeeper(std::move(plan), std::move(socket), log));
    TRY_CTX(keeper->exchange(), "could not exchange DHCP with {}", device);
    TRY(keeper->configure(*keeper->client_.lease()));
    return keeper;
}

Result<void> DhcpKeeper::exchange() {
    const sys::Deadline deadline = sys::Deadline::after(kDhcpTime);
    TRY(socket_.listen(true));
    TRY(send(client_.start(Clock::now())));
    while (!client_.lease()) {
        TRY(wait(deadline));
        const auto arrival = socket_.receive();
        const DhcpOutput output = arrival ? client_.on_reply(arrival->reply, Clock::now())
                                          : client_.on_time(Clock::now());
        TRY(judge(output));
        TRY(send(output));
        if (arrival && output.event == DhcpEvent::kGranted) {
            server_mac_ = arrival->from;
        }
    }
    return socket_.listen(false);
}

Result<void> DhcpKeeper::wait(sys::Deadline deadline) {
    pollfd ready{socket_.fd().number(), POLLIN, 0};
    ::poll(&ready, 1, poll_timeout(client_.next(), deadline));
    if (!deadline.passed()) {
        return {};
    }
    if (!complaint_.empty()) {
        return fail("{}", complaint_);
    }
    if (client_.state() == State::kRequesting) {
        return fail(Error{"did not get DHCPACK", ETIMEDOUT});
    }
    return fail(
        Error{fmt::format("no DHCP server answered within {} s", kDhcpTime.count()), ETIMEDOUT});
}

// During the first exchange: whether it can still come to a good end.
Result<void> DhcpKeeper::judge(const DhcpOutput& output) {
    if (output.event == DhcpEvent::kRefused) {
        complaint_ = "did not get DHCPACK: the server refused" +
                     (output.reason.empty() ? "" : ": " + quote(output.reason));
        if (++refusals_ >= kMaxRefusals) {
            return fail("{}", complaint_);
        }
    }
    if (output.event == DhcpEvent::kUnusable) {
        complaint_ = output.reason;
        if (client_.state() == State::kRequesting) {
            return fail("{}", complaint_);  // that was the ACK; the next would be the same
        }
    }
    return {};
}

Result<void> DhcpKeeper::send(const DhcpOutput& output) {
    if (!output.packet) {
        return {};
    }
    const DhcpPacket& packet = *output.packet;
    const Result<void> sent = packet.to_server && configured_
                                  ? socket_.send_to(configured_->server, server_mac_, packet.query)
                                  : socket_.broadcast(packet.query);
    return sent || like_a_lost_packet(sent.error().code) ? Result<void>() : sent;
}

Result<void> DhcpKeeper::configure(const DhcpLease& lease) {
    plan_.setup.address = lease.address;
    plan_.setup.prefix = lease.prefix;
    plan_.setup.gateway = lease.gateway;
    plan_.setup.dns = lease.dns;
    TRY(ns::in_network_namespace(plan_.netns,
                                 [&] { return ns::configure_interface(plan_.setup); }));
    configured_ = lease;
    log_.debug("{}: address {}/{}, gateway {}, name server {} from DHCP server {}",
               plan_.setup.device, lease.address.text(), lease.prefix, lease.gateway.text(),
               lease.dns.front().text(), lease.server.text());
    return {};
}

Result<void> DhcpKeeper::attach(loop::EventLoop& loop) {
    timer_.emplace(TRY(loop::Timer::create(loop, [this] { on_timer(); })));
    loop_ = &loop;
    rearm();
    return {};
}

void DhcpKeeper::on_timer() {
    const DhcpOutput output = client_.on_time(Clock::now());
    rearm();  // listens before it asks: answers are fast
    handle(output);
}

void DhcpKeeper::on_packets() {
    for (int i = 0; i < kMostPerWakeUp; ++i) {
        const auto arrival = socket_.receive();
        if (!arrival) {
            break;
        }
        const DhcpOutput output = client_.on_reply(arrival->reply, Clock::now());
        if (output.event == DhcpEvent::kGranted) {
            server_mac_ = arrival->from;
        }
        handle(output);
    }
    rearm();
}

void DhcpKeeper::handle(const DhcpOutput& output) {
    if (const Result<void> sent = send(output); !sent) {
        log_.debug("DHCP with {}: {}", plan_.setup.device, sent.error().message);
    }
    if (!output.event) {
        return;
    }
    switch (*output.event) {
        case DhcpEvent::kGranted:
            return on_granted();
        case DhcpEvent::kUnanswered:
            log_.warn("no DHCP server has renewed the address {} of {} yet; trying again",
                      plan_.setup.address.text(), plan_.setup.device);
            return;
        case DhcpEvent::kUnusable:
            log_.warn("useless DHCP answer for {}: {}", plan_.setup.device, output.reason);
            return;
        case DhcpEvent::kRefused:
            log_.warn("the DHCP server does not renew the address of {}{}; asking for another one",
                      plan_.setup.device,
                      output.reason.empty() ? "" : " (" + quote(output.reason) + ")");
            return on_no_lease();
        case DhcpEvent::kLost:
            log_.warn("no DHCP server has renewed the address {} of {} in time; asking anew",
                      plan_.setup.address.text(), plan_.setup.device);
            return on_no_lease();
    }
}

void DhcpKeeper::on_granted() {
    const DhcpLease lease = *client_.lease();
    if (configured_ && configured_->same_setup(lease)) {
        configured_ = lease;
        log_.debug("DHCP server {} has renewed the address {} of {}", lease.server.text(),
                   lease.address.text(), plan_.setup.device);
        return;
    }
    const std::vector<model::IpAddress> old_dns = plan_.setup.dns;
    on_no_lease();
    if (const Result<void> done = configure(lease); !done) {
        log_.warn("new DHCP lease: {}", done.error().message);
        return;
    }
    log_.info("{} has got the address {}/{} and the gateway {} by DHCP", plan_.setup.device,
              lease.address.text(), lease.prefix, lease.gateway.text());
    if (old_dns != lease.dns) {
        if (const Result<void> done = ns::rewrite_resolv_conf(plan_.state_dir, lease.dns); !done) {
            log_.warn("new DHCP lease: {}", done.error().message);
        }
    }
}

// Takes the address off the interface.
void DhcpKeeper::on_no_lease() {
    if (!std::exchange(configured_, std::nullopt)) {
        return;
    }
    const Result<void> removed =
        ns::in_network_namespace(plan_.netns, [&] { return ns::remove_address(plan_.setup); });
    if (!removed) {
        log_.warn("end of DHCP lease: {}", removed.error().message);
    }
}

// Listens and sleeps as the client wants it now.
void DhcpKeeper::rearm() {
    if (const Result<void> done = listen(client_.listens()); !done) {
        log_.debug("DHCP with {}: {}", plan_.setup.device, done.error().message);
    }
    if (const auto next = client_.next()) {
        timer_->arm(std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()));
    } else {
        timer_->disarm();
    }
}

Result<void> DhcpKeeper::listen(bool on) {
    if (on == listening_) {
        return {};
    }
    if (!on) {
        loop_->remove(socket_.fd());
        listening_ = false;
        return socket_.listen(false);
    }
    TRY(socket_.listen(true));
    TRY(loop_->add(socket_.fd(), EPOLLIN, [this](std::uint32_t /*events*/) { on_packets(); }));
    listening_ = true;
    return {};
}

}  // namespace rk::drivers
