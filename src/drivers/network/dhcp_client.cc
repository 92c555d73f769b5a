// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/dhcp_client.h"

#include <algorithm>

namespace rk::drivers {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstRetransmission{1000};
constexpr unsigned kDoublings = 6;            // up to 64 s (RFC 2131, 4.1)
constexpr unsigned kMaxRequests = 4;          // of one offer, then a new one is looked for
constexpr milliseconds kLongestPause{60000};  // between renewals at the end of a state (4.4.5)
constexpr int kPauseOfLease = 10;             // ... but a tenth of a short lease
constexpr seconds kDefaultLease{3600};        // where the server does not say
constexpr std::uint32_t kForEver = 0xffffffff;
constexpr unsigned kMaxBackOff = 6;  // refused again and again: 1, 2 ... 64 s

// T1 and T2 (4.4.5); the server's, if they are in order.
struct RenewalTimes {
    milliseconds renew;
    milliseconds rebind;
};

RenewalTimes renewal_times(const wire::DhcpReply& reply, milliseconds lease) {
    const RenewalTimes own{lease / 2, lease * 7 / 8};
    const milliseconds renew =
        reply.renewal_seconds ? milliseconds(seconds(*reply.renewal_seconds)) : own.renew;
    const milliseconds rebind =
        reply.rebinding_seconds ? milliseconds(seconds(*reply.rebinding_seconds)) : own.rebind;
    const bool in_order = renew.count() > 0 && renew < rebind && rebind < lease;
    return in_order ? RenewalTimes{renew, rebind} : own;
}

std::optional<seconds> duration_of(const wire::DhcpReply& reply) {
    if (!reply.lease_seconds) {
        return kDefaultLease;
    }
    // Upstream never renewed a lease of no time either.
    if (*reply.lease_seconds == kForEver || *reply.lease_seconds == 0) {
        return std::nullopt;
    }
    return seconds(*reply.lease_seconds);
}

// A mask that was left out follows from the address' class, as before CIDR (RFC 950).
std::uint8_t class_prefix(const model::IpAddress& address) {
    constexpr std::uint32_t kFirstB = 0x80000000;
    constexpr std::uint32_t kFirstC = 0xc0000000;
    return address.to_v4() < kFirstB ? 8 : address.to_v4() < kFirstC ? 16 : 24;
}

// The lease of an ACK, with what it lacks taken from the one before. `problem`: what nobody said.
DhcpLease lease_of(const wire::DhcpReply& reply, const std::optional<DhcpLease>& previous,
                   const model::IpAddress& server, std::string& problem) {
    DhcpLease lease;
    lease.address = reply.your_address;
    lease.server = reply.server.value_or(server);
    lease.duration = duration_of(reply);
    if (reply.your_address.to_v4() == 0) {
        problem = "got zero YourIPAddr";
    }
    const std::uint8_t otherwise = previous ? previous->prefix : class_prefix(lease.address);
    lease.prefix = reply.prefix.value_or(0) != 0 ? *reply.prefix : otherwise;
    if (!reply.routers.empty()) {
        lease.gateway = reply.routers.front();
    } else if (previous) {
        lease.gateway = previous->gateway;
    } else {
        problem = problem.empty() ? "got no Router" : problem;
    }
    if (!reply.dns.empty()) {
        lease.dns = {reply.dns.front()};
    } else if (previous) {
        lease.dns = previous->dns;
    } else {
        problem = problem.empty() ? "got no DNS" : problem;
    }
    return lease;
}

DhcpOutput unusable(std::string reason) {
    return {.packet = {}, .event = DhcpEvent::kUnusable, .reason = std::move(reason)};
}

}  // namespace

wire::DhcpQuery DhcpClient::query(wire::DhcpType type) const {
    wire::DhcpQuery query;
    query.type = type;
    query.transaction = transaction_;
    query.client = mac_;
    query.broadcast = !lease_;  // with an address the kernel could take unicast
    if (lease_) {
        query.client_address = lease_->address;
    }
    return query;
}

milliseconds DhcpClient::retransmission() {
    const milliseconds full = kFirstRetransmission * (1U << std::min(attempts_, kDoublings));
    ++attempts_;
    const auto spread = static_cast<std::uint32_t>(full.count() / 2 + 1);
    return full * 3 / 4 + milliseconds(random_() % spread);
}

DhcpOutput DhcpClient::begin(Time now) {
    state_ = State::kSelecting;
    transaction_ = random_();
    attempts_ = 0;
    return discover(now);
}

DhcpOutput DhcpClient::discover(Time now) {
    DhcpPacket packet{query(wire::DhcpType::kDiscover)};
    packet.query.requested = wished_;
    next_ = now + retransmission();
    return {.packet = packet, .event = {}, .reason = {}};
}

DhcpOutput DhcpClient::request(Time now) {
    DhcpPacket packet{query(wire::DhcpType::kRequest)};
    packet.query.requested = offered_;
    packet.query.server = offering_server_;
    sent_ = now;
    next_ = now + retransmission();
    return {.packet = packet, .event = {}, .reason = {}};
}

DhcpOutput DhcpClient::renew(Time now) {
    const Time end = state_ == State::kRenewing ? rebind_at_ : expires_;
    const milliseconds half = std::chrono::duration_cast<milliseconds>(end - now) / 2;
    sent_ = now;
    next_ = std::min<Time>(now + std::max(half, least_wait_), end);
    // The first unanswered one is worth a line, and the change to asking everybody.
    const bool unanswered = state_ == State::kRenewing ? attempts_ == 1 : attempts_ == 0;
    ++attempts_;
    return {.packet = DhcpPacket{query(wire::DhcpType::kRequest), state_ == State::kRenewing},
            .event = unanswered ? std::optional(DhcpEvent::kUnanswered) : std::nullopt,
            .reason = {}};
}

DhcpOutput DhcpClient::lose(Time now) {
    wished_ = lease_->address;
    lease_.reset();
    DhcpOutput output = begin(now);
    output.event = DhcpEvent::kLost;
    return output;
}

DhcpOutput DhcpClient::on_time(Time now) {
    if (!next_ || now < *next_) {
        return {};
    }
    switch (state_) {
        case State::kSelecting:
            return discover(now);
        case State::kRequesting:
            return attempts_ < kMaxRequests ? request(now) : begin(now);
        case State::kBound:
            state_ = State::kRenewing;
            transaction_ = random_();
            attempts_ = 0;
            return renew(now);
        case State::kRenewing:
            if (now >= rebind_at_) {
                state_ = State::kRebinding;
                attempts_ = 0;
            }
            break;
        case State::kRebinding:
            break;
    }
    return now < expires_ ? renew(now) : lose(now);
}

DhcpOutput DhcpClient::on_reply(const wire::DhcpReply& reply, Time now) {
    if (reply.transaction != transaction_ || reply.client != mac_) {
        return {};
    }
    switch (reply.type) {
        case wire::DhcpType::kOffer:
            return on_offer(reply, now);
        case wire::DhcpType::kAck:
            return on_ack(reply, now);
        case wire::DhcpType::kNak:
            return on_nak(reply, now);
        case wire::DhcpType::kDiscover:
        case wire::DhcpType::kRequest:
        case wire::DhcpType::kDecline:
        case wire::DhcpType::kRelease:
            return {};
    }
    return {};
}

DhcpOutput DhcpClient::on_offer(const wire::DhcpReply& reply, Time now) {
    // attempts_ is 0 while a NAK is waited over: what comes then is late.
    if (state_ != State::kSelecting || attempts_ == 0) {
        return {};
    }
    if (reply.your_address.to_v4() == 0) {
        return unusable("got zero YourIPAddr");
    }
    if (!reply.server) {
        return unusable("got no server identifier");
    }
    state_ = State::kRequesting;
    attempts_ = 0;
    offered_ = reply.your_address;
    offering_server_ = *reply.server;
    return request(now);
}

DhcpOutput DhcpClient::on_ack(const wire::DhcpReply& reply, Time now) {
    const bool chosen =
        state_ == State::kRequesting && reply.server.value_or(offering_server_) == offering_server_;
    if (!chosen && state_ != State::kRenewing && state_ != State::kRebinding) {
        return {};
    }
    std::string problem;
    DhcpLease lease = lease_of(reply, lease_, lease_ ? lease_->server : offering_server_, problem);
    if (!problem.empty()) {
        return unusable(std::move(problem));
    }
    hold(std::move(lease), reply, now);
    return {.packet = {}, .event = DhcpEvent::kGranted, .reason = {}};
}

void DhcpClient::hold(DhcpLease lease, const wire::DhcpReply& reply, Time now) {
    state_ = State::kBound;
    refusals_ = 0;
    if (lease.duration) {
        const milliseconds whole = *lease.duration;
        const RenewalTimes times = renewal_times(reply, whole);
        least_wait_ = std::min(whole / kPauseOfLease, kLongestPause);
        rebind_at_ = sent_ + times.rebind;
        expires_ = sent_ + whole;
        next_ = std::max(sent_ + times.renew, now);
    } else {
        next_.reset();
    }
    lease_ = std::move(lease);
}

DhcpOutput DhcpClient::on_nak(const wire::DhcpReply& reply, Time now) {
    if (state_ == State::kSelecting || state_ == State::kBound) {
        return {};
    }
    lease_.reset();
    wished_.reset();
    DhcpOutput output;
    if (refusals_ == 0) {
        output = begin(now);
    } else {  // at once would be a loop at the speed of the network
        state_ = State::kSelecting;
        transaction_ = random_();
        attempts_ = 0;
        next_ = now + kFirstRetransmission * (1U << std::min(refusals_ - 1, kMaxBackOff));
    }
    ++refusals_;
    output.event = DhcpEvent::kRefused;
    output.reason = reply.message;
    return output;
}

std::optional<DhcpPacket> DhcpClient::release() {
    if (!lease_) {
        return std::nullopt;
    }
    transaction_ = random_();
    DhcpPacket packet{query(wire::DhcpType::kRelease), true};
    packet.query.server = lease_->server;
    lease_.reset();
    next_.reset();
    return packet;
}

}  // namespace rk::drivers
