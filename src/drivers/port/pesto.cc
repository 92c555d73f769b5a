// SPDX-License-Identifier: Apache-2.0
#include "drivers/port/pesto.h"

#include "base/text.h"
#include "drivers/port/entries.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/run_program.h"
#include "wire/proc_net_sockets.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <unistd.h>

namespace rk::drivers {

namespace {

// Both take milliseconds. The parent's loop stands still meanwhile, so a pasta that hangs must not
// stop it for long.
constexpr std::chrono::milliseconds kPestoTime{2000};
constexpr std::chrono::milliseconds kListenTime{2000};
constexpr std::chrono::milliseconds kTimerPatience{200};
constexpr std::chrono::milliseconds kTryAgainAfter{2000};
constexpr useconds_t kLookEveryUs = 2000;
constexpr std::size_t kMaxShown = 512;  // bytes of what a failed pesto printed

// Error: what the kernel says to whoever wants that socket now.
Result<void> try_out(const PestoRule& rule) {
    const std::uint16_t port = rule.listens_on.port;
    Result<Listener> tried = listen_on(rule.same_here, port);
    if (!tried) {
        // A capability on our own binary would not help pasta.
        return fail(explain_privileged_port(std::move(tried).error(), port, ""));
    }
    return {};
}

// The endpoints of one kind that sockets of this network namespace wait on, in both families.
Result<std::vector<model::Endpoint>> waiting_sockets(SocketKind kind) {
    const bool tcp = kind == SocketKind::kTcp;
    const auto parse = tcp ? wire::waiting_tcp : wire::waiting_udp;
    std::vector<model::Endpoint> found =
        parse(TRY(sys::read_file(tcp ? "/proc/self/net/tcp" : "/proc/self/net/udp")));
    // Not there without IPv6.
    if (const auto six = sys::read_file(tcp ? "/proc/self/net/tcp6" : "/proc/self/net/udp6")) {
        const auto more = parse(*six);
        found.insert(found.end(), more.begin(), more.end());
    }
    return found;
}

Result<bool> somebody_waits_at(const PestoRule& rule) {
    const auto sockets = TRY(waiting_sockets(rule.kind));
    return std::find(sockets.begin(), sockets.end(), rule.listens_on) != sockets.end();
}

// Looks until the socket of a rule is there, or gone.
Result<bool> becomes(const PestoRule& rule, bool there, sys::Deadline deadline) {
    for (;;) {
        const bool waits = TRY(somebody_waits_at(rule));
        if (waits == there) {
            return true;
        }
        if (deadline.passed()) {
            return false;
        }
        ::usleep(kLookEveryUs);
    }
}

std::string_view kind_name(const PestoRule& rule) {
    return rule.kind == SocketKind::kTcp ? "TCP" : "UDP";
}

}  // namespace

Result<std::string> find_pesto(const std::string& pasta_binary,
                               const sys::Environment& environment) {
    const std::string path(environment.get("PATH").value_or(""));
    const std::string pasta = TRY(sys::look_up_program(pasta_binary, path));
    const std::string beside = pasta.substr(0, pasta.rfind('/') + 1) + "pesto";
    auto found = sys::look_up_program(beside, path);
    if (!found) {
        found = sys::look_up_program("pesto", path);
    }
    TRY_CTX(found, "port driver \"pesto\" needs pesto of passt 2026_05_07 or newer, beside pasta");
    return sys::absolute_path(*found);
}

PortDriverInfo PestoPortDriver::info() {
    PortDriverInfo info;
    info.driver = "pesto";
    info.protos = {"tcp", "tcp4", "udp", "udp4"};
    if (parts_.target.ipv6) {
        info.protos = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"};
    }
    info.disallow_loopback_child_ip = true;
    return info;
}

Result<void> PestoPortDriver::run_pesto(std::chrono::milliseconds patience) const {
    std::vector<PestoRule> rules;
    for (const auto& [id, entry] : entries_) {
        if (entry.served) {
            rules.push_back(entry.rule);
        }
    }
    auto pesto =
        TRY(sys::RunningProgram::start(parts_.program, pesto_command(rules, parts_.control_socket),
                                       parts_.environment, sys::no_signals()));
    const sys::ProgramOutcome outcome = TRY(pesto.wait(sys::Deadline::after(patience)));
    log_.debug("pesto: {} rules, {}", rules.size(), outcome.status_text());
    if (!outcome.success()) {
        const std::string_view printed = std::string_view(outcome.output).substr(0, kMaxShown);
        return fail("pesto failed: {}{}", outcome.status_text(),
                    printed.empty() ? "" : ", having printed " + quote(trim(printed)));
    }
    return {};
}

// Makes the served entries pasta's rules, and sees to it that they are listened for: those that are
// not are served no more.
Result<void> PestoPortDriver::hand_over() {
    const sys::Deadline deadline = sys::Deadline::after(kListenTime);
    for (;;) {
        TRY(run_pesto(kPestoTime));
        Entry* const deaf = TRY(first_without_socket(deadline));
        if (deaf == nullptr) {
            return {};
        }
        deaf->served = false;
        log_.warn("pasta does not listen on {} port {}; what it said is in the log with --debug",
                  kind_name(deaf->rule), deaf->rule.listens_on.text());
        if (deadline.passed()) {
            return run_pesto(kPestoTime);
        }
    }
}

// In the order in which pasta goes through them, where the first that fails stops the others.
Result<PestoPortDriver::Entry*> PestoPortDriver::first_without_socket(sys::Deadline deadline) {
    for (auto& [id, entry] : entries_) {
        if (entry.served && !TRY(becomes(entry.rule, true, deadline))) {
            return &entry;
        }
    }
    return nullptr;
}

// Those that pasta does not listen for, but could.
void PestoPortDriver::choose_served() {
    for (auto& [id, entry] : entries_) {
        if (entry.served) {
            continue;
        }
        const Result<void> free = try_out(entry.rule);
        entry.served = free.has_value();
        if (!free) {
            log_.warn("port {} cannot be served now: {}", id, free.error().message);
        }
    }
}

void PestoPortDriver::attach(loop::EventLoop& loop) {
    auto timer = loop::Timer::create(loop, [this] { on_timer(); });
    if (!timer) {
        log_.warn("changes of ports that fail may not be taken back: {}", timer.error().message);
        return;
    }
    timer_.emplace(*std::move(timer));
}

void PestoPortDriver::network_changed(const model::HelperHealth& health) {
    parts_.health = health;
    for (auto& [id, entry] : entries_) {
        entry.served = false;
    }
    if (!health.running || entries_.empty()) {
        return;
    }
    choose_served();
    if (const Result<void> done = hand_over(); !done) {
        log_.warn("published ports: {}", done.error().message);
    }
}

Result<model::PortStatus> PestoPortDriver::add(const model::PortSpec& spec) {
    TRY(spec.check_one_fixed_port());
    TRY(check_conflict(entries_, spec));
    PestoRule rule = TRY(pesto_rule(spec, parts_.target));
    if (!parts_.health.running) {
        return fail("pasta has ended and is being started again, try again");
    }
    TRY(try_out(rule));
    choose_served();
    const int id = next_id_;
    const auto entry = entries_.emplace(id, Entry{{id, spec}, std::move(rule), true}).first;
    if (Result<void> done = hand_over(); !done) {
        entries_.erase(entry);
        take_back();  // pasta may have heard of it all the same
        return fail(std::move(done).error());
    }
    if (!entry->second.served) {
        entries_.erase(entry);
        return fail("pasta does not listen on it; what it said is in the log with --debug");
    }
    ++next_id_;
    return entry->second.status;
}

void PestoPortDriver::take_back() {
    if (!run_pesto(kTimerPatience) && timer_) {
        timer_->arm(kTryAgainAfter);
    }
}

void PestoPortDriver::on_timer() {
    if (parts_.health.running) {
        take_back();
    }
}

Result<void> PestoPortDriver::remove(int id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return fail("unknown id: {}", id);
    }
    const Entry entry = std::move(found->second);
    entries_.erase(found);
    if (!entry.served) {
        return {};
    }
    if (Result<void> done = hand_over(); !done) {
        entries_.emplace(id, entry);
        return done;
    }
    if (!TRY(becomes(entry.rule, false, sys::Deadline::after(kListenTime)))) {
        log_.warn("pasta still listens on {} port {}", kind_name(entry.rule),
                  entry.rule.listens_on.text());
    }
    return {};
}

std::vector<model::PortStatus> PestoPortDriver::list() const {
    return list_statuses(entries_);
}

Result<PortDriverStats> PestoPortDriver::stats() {
    return stats_of_helper(parts_.health);
}

}  // namespace rk::drivers
