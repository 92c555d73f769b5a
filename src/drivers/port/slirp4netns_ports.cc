// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/slirp4netns_ports.h"

#include "drivers/port/entries.h"
#include "drivers/port/listen.h"
#include "drivers/port/slirp4netns_client.h"

#include <cerrno>
#include <set>
#include <utility>

namespace rk::drivers {

namespace {

// It answers in microseconds, between two packets. The parent's loop stands still meanwhile, so a
// slirp4netns that hangs must not stop it for long, least of all without being asked.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::milliseconds kTimerPatience{100};
constexpr std::chrono::milliseconds kCompareEvery{2000};

// slirp4netns says only that it could not listen. Whether we can tells why; the original had no
// such hint. A capability on our own binary would not help it.
Error explain(Error refusal, const wire::HostForward& forward) {
    model::PortFields fields;
    fields.proto = forward.proto + "4";
    fields.parent_ip = forward.host_addr;
    fields.parent_port = forward.host_port;
    fields.child_port = forward.guest_port;
    const auto address = model::IpAddress::parse(forward.host_addr);
    const auto spec = model::PortSpec::from_fields(std::move(fields));
    if (!spec || (address && !address->is_v4()) ||
        (forward.proto != "tcp" && forward.proto != "udp")) {
        return refusal;
    }
    Result<Listener> tried = listen_on(*spec, forward.host_port);
    if (tried) {
        return refusal;  // something else
    }
    const Error why = explain_privileged_port(std::move(tried).error(), forward.host_port, "");
    return Error{fmt::format("{}: {}", refusal.message, why.message), why.code};
}

}  // namespace

Slirp4netnsPortDriver::Slirp4netnsPortDriver(Parts parts, const Logger& log)
    : parts_(std::move(parts)), log_(log) {}

void Slirp4netnsPortDriver::network_changed(const model::HelperHealth& health) {
    parts_.health = health;
    unsure_ = false;
    for (auto& [id, entry] : entries_) {
        entry.known_as.reset();
    }
    if (health.running) {
        publish_missing();
    }
}

// Ends with the first that gets no answer: the timer goes on.
void Slirp4netnsPortDriver::publish_missing() {
    for (auto& [id, entry] : entries_) {
        if (entry.known_as || unsure_) {
            continue;
        }
        const auto published = publish(entry.status.spec);
        if (published) {
            entry.known_as = *published;
        } else {
            log_.warn("port {} cannot be served any more: {}", id, published.error().message);
        }
    }
}

void Slirp4netnsPortDriver::attach(loop::EventLoop& loop) {
    auto timer = loop::Timer::create(loop, [this] { on_timer(); });
    if (!timer) {
        log_.warn("published ports are not compared with slirp4netns': {}", timer.error().message);
        return;
    }
    timer_.emplace(*std::move(timer));
}

PortDriverInfo Slirp4netnsPortDriver::info() {
    PortDriverInfo info;
    info.driver = "slirp4netns";
    info.protos = {"tcp", "tcp4", "udp", "udp4"};
    info.disallow_loopback_child_ip = true;
    return info;
}

Result<wire::HostForward> Slirp4netnsPortDriver::forward_of(const model::PortSpec& spec) const {
    wire::HostForward forward;
    forward.proto = spec.proto();
    if (forward.proto.ends_with('6')) {
        return fail("unsupported protocol \"{}\"", forward.proto);
    }
    if (forward.proto.ends_with('4')) {
        forward.proto.pop_back();
    }
    forward.host_addr = spec.parent_ip();
    forward.host_port = spec.parent_port();
    forward.guest_addr = spec.child_ip().empty() ? parts_.child_ip : spec.child_ip();
    forward.guest_port = spec.child_port();
    const auto guest = model::IpAddress::parse(forward.guest_addr);
    if (!guest || !guest->is_v4()) {
        return fail("unsupported IP (v6?): {}", forward.guest_addr);
    }
    forward.guest_addr = guest->text();
    return forward;
}

Result<std::string> Slirp4netnsPortDriver::ask(std::string_view request,
                                               std::chrono::milliseconds patience) {
    Slirp4netnsAnswer answer = ask_slirp4netns(parts_.api_socket, request, patience);
    if (!answer.reply && answer.received) {
        become_unsure();
    }
    return std::move(answer.reply);
}

void Slirp4netnsPortDriver::become_unsure() {
    unsure_ = true;
    if (timer_) {
        timer_->arm(kCompareEvery);
    }
}

// The ID that slirp4netns gives it.
Result<std::int64_t> Slirp4netnsPortDriver::publish(const model::PortSpec& spec) {
    const wire::HostForward forward = TRY(forward_of(spec));
    const std::string reply = TRY(ask(wire::encode_add_hostfwd(forward), kPatience));
    auto id = wire::decode_add_hostfwd_reply(reply);
    if (!id && id.error().code == EPROTO) {
        become_unsure();  // that was no answer
    } else if (!id) {
        return fail(explain(std::move(id).error(), forward));
    }
    return id;
}

Result<void> Slirp4netnsPortDriver::unpublish(std::int64_t known_as) {
    const auto reply = ask(wire::encode_remove_hostfwd(known_as), kPatience);
    if (!reply && (reply.error().code == ECONNREFUSED || reply.error().code == ENOENT)) {
        return {};  // nobody there: it has just died, and the port with it
    }
    return reply ? wire::decode_remove_hostfwd_reply(*reply) : fail(reply.error());
}

// What slirp4netns serves unasked is ended; what it does not serve is known to be so.
Result<void> Slirp4netnsPortDriver::compare(std::chrono::milliseconds patience) {
    const std::string reply = TRY(ask(wire::encode_list_hostfwd(), patience));
    const auto theirs = TRY(wire::decode_list_hostfwd_reply(reply));
    std::set<std::int64_t> strays(theirs.begin(), theirs.end());
    for (auto& [id, entry] : entries_) {
        if (entry.known_as && strays.erase(*entry.known_as) == 0) {
            entry.known_as.reset();
        }
    }
    unsure_ = false;
    for (const std::int64_t stray : strays) {
        TRY(unpublish(stray));
    }
    return {};
}

void Slirp4netnsPortDriver::on_timer() {
    if (!unsure_) {
        return;
    }
    if (compare(kTimerPatience)) {
        publish_missing();
    } else {
        unsure_ = true;
        timer_->arm(kCompareEvery);
    }
}

Result<model::PortStatus> Slirp4netnsPortDriver::add(const model::PortSpec& spec) {
    TRY(spec.check_one_fixed_port());
    TRY(check_conflict(entries_, spec));
    if (!parts_.health.running) {
        return fail("slirp4netns has ended and is being started again, try again");
    }
    if (unsure_) {
        TRY(compare(kPatience));
    }
    const std::int64_t known_as = TRY(publish(spec));
    const model::PortStatus status{next_id_, spec};
    ++next_id_;
    entries_.emplace(status.id, Entry{status, known_as});
    return status;
}

Result<void> Slirp4netnsPortDriver::remove(int id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        // What slirp4netns says of an ID that it does not know.
        return fail("reply.Error: map[desc:bad request: remove_hostfwd: bad arguments.id]");
    }
    if (unsure_) {
        TRY(compare(kPatience));
    }
    if (found->second.known_as) {
        TRY(unpublish(*found->second.known_as));
    }
    entries_.erase(found);
    return {};
}

std::vector<model::PortStatus> Slirp4netnsPortDriver::list() const {
    return list_statuses(entries_);
}

Result<PortDriverStats> Slirp4netnsPortDriver::stats() {
    return stats_of_helper(parts_.health);
}

}  // namespace rk::drivers
