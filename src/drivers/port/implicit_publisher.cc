// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/implicit_publisher.h"

#include "model/port_spec.h"

#include <fmt/format.h>

#include <utility>

namespace rk::drivers {

namespace {

Result<model::PortSpec> spec_of(const ImplicitPort& port, const model::IpAddress& target) {
    model::PortFields fields;
    fields.proto = fmt::format("{}{}", port.kind == SocketKind::kTcp ? "tcp" : "udp",
                               port.family == LoopbackFamily::kIpv4 ? 4 : 6);
    fields.parent_ip = port.address().text();
    fields.parent_port = port.port;
    fields.child_ip = target.is_unspecified() ? "" : target.text();
    fields.child_port = port.port;
    return model::PortSpec::from_fields(std::move(fields));
}

}  // namespace

void ImplicitPublisher::update(const ImplicitTargets& wanted, Time now) {
    changes_left_ = kImplicitChangesPerUpdate;
    remove_unwanted(wanted);
    for (const auto& [port, target] : wanted) {
        if (changes_left_ == 0) {
            return;
        }
        const auto place = entries_.try_emplace(port, Entry{target}).first;
        Entry& entry = place->second;
        if (!entry.id && now >= entry.retry) {
            try_to_have(port, entry, now);
        }
    }
}

void ImplicitPublisher::remove_unwanted(const ImplicitTargets& wanted) {
    std::optional<std::set<int>> busy;  // asked for once somebody needs it
    for (auto next = entries_.begin(); next != entries_.end() && changes_left_ != 0;) {
        const auto place = next++;
        const auto& [port, entry] = *place;
        const auto found = wanted.find(port);
        if (found != wanted.end() && found->second == entry.target) {
            continue;
        }
        if (entry.id && found == wanted.end() && port.kind == SocketKind::kTcp) {
            if (!busy) {
                busy = busy_ports();
            }
            if (busy->count(*entry.id) != 0) {
                continue;
            }
        }
        if (entry.id) {
            --changes_left_;
            const Result<void> removed = ports_.remove(*entry.id);
            log_.debug("implicit: {} is gone{}", port.text(),
                       removed ? "" : ": " + removed.error().message);
        }
        entries_.erase(place);
    }
}

std::set<int> ImplicitPublisher::busy_ports() const {
    std::set<int> busy;
    const auto stats = ports_.stats();
    if (stats) {
        for (const model::PortCounters& port : stats->ports) {
            if (port.active != 0) {
                busy.insert(port.id);
            }
        }
    }
    return busy;
}

void ImplicitPublisher::try_to_have(const ImplicitPort& port, Entry& entry, Time now) {
    --changes_left_;
    const Result<model::PortSpec> spec = spec_of(port, entry.target);
    const Result<model::PortStatus> added =
        spec ? ports_.add(*spec) : Result<model::PortStatus>(fail(spec.error()));
    if (!added) {
        entry.retry = now + kImplicitRetry;
        complain(port, added.error());
        return;
    }
    entry.id = added->id;
    if (complaints_.erase(port) != 0) {
        log_.info("implicit: {} is published now", port.text());
    } else {
        log_.debug("implicit: {} is published", port.text());
    }
}

void ImplicitPublisher::complain(const ImplicitPort& port, const Error& why) {
    if (complaints_.size() >= kMaxImplicitPorts && !complaints_.contains(port)) {
        complaints_.clear();  // ports that came and went; those that are still there repeat
    }
    std::string& told = complaints_[port];
    if (told != why.message) {
        told = why.message;
        log_.warn("implicit: {} cannot be published: {}", port.text(), why.message);
    }
}

}  // namespace rk::drivers
