// SPDX-License-Identifier: Apache-2.0
#include "ns/transparent_routes.h"

#include "base/text.h"
#include "ns/helper_program.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/netlink_request.h"
#include "sys/nftables.h"
#include "sys/route_requests.h"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <sys/socket.h>

namespace rk::ns {

namespace {

using sys::NetlinkMessage;

constexpr std::string_view kNftTable = "rootlesskit_source_ip";
// After conntrack (-200), before destination NAT (-100): "mangle" of nft(8).
constexpr std::int32_t kManglePriority = -150;

// iptables answers in milliseconds, after loading modules in a second; without an answer, nothing.
constexpr std::chrono::seconds kTablesPatience{5};

// meta mark RELAY ct mark set REPLY
NetlinkMessage relay_to_connection() {
    return sys::NftRule(kNftTable, "output")
        .load_meta(NFT_META_MARK)
        .equals(sys::host_bytes(kRelayMark))
        .set(sys::host_bytes(kReplyMark))
        .store_ct(NFT_CT_MARK)
        .message();
}

// ct mark REPLY meta mark set REPLY: the register still holds what was compared
NetlinkMessage connection_to_packet() {
    return sys::NftRule(kNftTable, "prerouting")
        .load_ct(NFT_CT_MARK)
        .equals(sys::host_bytes(kReplyMark))
        .store_meta(NFT_META_MARK)
        .message();
}

// Made, removed and made again in one transaction, so that nothing of an earlier run stays.
Result<void> set_up_nft() {
    auto netfilter = TRY(sys::NetlinkSocket::open(NETLINK_NETFILTER));
    const std::array requests = {
        sys::nft_new_table(kNftTable),
        sys::nft_delete_table(kNftTable),
        sys::nft_new_table(kNftTable),
        sys::nft_new_chain(kNftTable, "output",
                           {.hook = NF_INET_LOCAL_OUT, .priority = kManglePriority}),
        sys::nft_new_chain(kNftTable, "prerouting",
                           {.hook = NF_INET_PRE_ROUTING, .priority = kManglePriority}),
        relay_to_connection(),
        connection_to_packet(),
    };
    return netfilter.nftables_transaction(requests);
}

Result<void> run_tables(std::string_view program, std::vector<std::string> rule,
                        const sys::Environment& environment) {
    rule.insert(rule.begin(), {std::string(program), "-t", "mangle", "-A"});
    auto running = TRY(start_helper(rule, environment));
    const sys::ProgramOutcome outcome = TRY(running.wait(sys::Deadline::after(kTablesPatience)));
    if (!outcome.success()) {
        return fail("{}: {}: {}", program, trim(outcome.output), outcome.status_text());
    }
    return {};
}

// The two rules of set_up_nft() as one of the programs knows them.
Result<void> set_up_tables(std::string_view program, const sys::Environment& environment) {
    const std::string relay = std::to_string(kRelayMark);
    const std::string reply = std::to_string(kReplyMark);
    TRY(run_tables(program,
                   {"OUTPUT", "-m", "mark", "--mark", relay, "-j", "CONNMARK", "--set-mark", reply},
                   environment));
    return run_tables(
        program,
        {"PREROUTING", "-m", "connmark", "--mark", reply, "-j", "MARK", "--set-mark", reply},
        environment);
}

// What an ordinary user's PATH leaves out, and a lock that they can take: the programs' own one is
// root's, and protects a table that only this run has.
sys::Environment tables_environment(sys::Environment environment) {
    const std::string path(environment.get("PATH").value_or("/usr/bin:/bin"));
    environment.set("PATH", path + ":/usr/sbin:/sbin");
    environment.set("XTABLES_LOCKFILE", "/dev/null");
    return environment;
}

struct Rules {
    Result<void> ipv4;
    bool ipv6 = false;
};

Rules set_up_rules(const RoutesRequest& request) {
    switch (request.routing) {
        case ReplyRouting::kNft: {
            Result<void> done = set_up_nft();  // one table for both families
            const bool ipv6 = done.has_value();
            return {std::move(done), ipv6};
        }
        case ReplyRouting::kIptables: {
            const sys::Environment environment = tables_environment(request.environment);
            Result<void> done = set_up_tables("iptables", environment);
            const bool ipv6 = done && set_up_tables("ip6tables", environment);
            return {std::move(done), ipv6};
        }
        case ReplyRouting::kMarkOnly:
            break;
    }
    return {{}, true};
}

Result<void> set_up_family(std::uint8_t family, std::uint32_t mark) {
    auto routing = TRY(sys::NetlinkSocket::open(NETLINK_ROUTE));
    TRY_CTX(routing.create(sys::add_local_default(family, kTransparentTable)),
            "add the route for replies");
    TRY_CTX(routing.create(sys::add_rule({.family = family,
                                          .priority = kTransparentPriority,
                                          .table = kTransparentTable,
                                          .mark = mark,
                                          .interface = ""})),
            "add the rule for replies");
    return {};
}

Result<void> set_sysctls() {
    TRY(sys::write_existing("/proc/sys/net/ipv4/tcp_fwmark_accept", "1"));
    TRY(sys::write_existing("/proc/sys/net/ipv4/fwmark_reflect", "1"));
    return {};
}

}  // namespace

Result<TransparentRoutes> set_up_transparent_routes(const RoutesRequest& request) {
    TRY(set_sysctls());
    TransparentRoutes done;
    Rules rules = set_up_rules(request);
    if (!rules.ipv4 && !request.marks_will_do) {
        return fail(std::move(rules.ipv4).error());
    }
    done.routing = rules.ipv4 ? request.routing : ReplyRouting::kMarkOnly;
    done.why_marks_only = rules.ipv4 ? "" : rules.ipv4.error().message;
    const bool marks_only = done.routing == ReplyRouting::kMarkOnly;
    const std::uint32_t mark = marks_only ? kRelayMark : kReplyMark;
    TRY(set_up_family(AF_INET, mark));
    done.ipv6 = (marks_only || rules.ipv6) &&
                sys::write_existing("/proc/sys/net/ipv6/fwmark_reflect", "1").has_value() &&
                set_up_family(AF_INET6, mark).has_value();
    return done;
}

}  // namespace rk::ns
