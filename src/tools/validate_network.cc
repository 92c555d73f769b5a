// SPDX-License-Identifier: Apache-2.0
//
// What each network driver permits is one row of kNetworks; the few rules that fit no column are
// functions below it.
#include "tools/validate_network.h"

#include "base/text.h"
#include "model/cidr.h"
#include "sys/file.h"
#include "tools/choice.h"
#include "tools/validate_egress.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <sys/utsname.h>

namespace rk::tools {

namespace {

using model::NetworkDriver;
using model::Options;
using model::PortDriver;
using model::PortSpec;
using model::SourceIpBackend;
using model::ToggleMode;

enum class Cidr { kRefused, kUsed };
enum class Ipv6 { kDiscarded, kUsed, kRefused };

struct NetworkRules {
    std::string_view text;
    NetworkDriver driver;
    bool own_interface;  // whether --mtu, --ifname and --disable-host-loopback mean anything
    Cidr cidr;
    Ipv6 ipv6;
    bool experimental;
};

constexpr auto kNetworks = std::to_array<NetworkRules>({
    {"host", NetworkDriver::kHost, false, Cidr::kRefused, Ipv6::kDiscarded, false},
    {"none", NetworkDriver::kNone, false, Cidr::kRefused, Ipv6::kDiscarded, false},
    {"builtin", NetworkDriver::kBuiltin, true, Cidr::kUsed, Ipv6::kUsed, false},
    {"pasta", NetworkDriver::kPasta, true, Cidr::kUsed, Ipv6::kUsed, true},
    {"slirp4netns", NetworkDriver::kSlirp4netns, true, Cidr::kUsed, Ipv6::kUsed, false},
    {"vpnkit", NetworkDriver::kVpnkit, true, Cidr::kRefused, Ipv6::kDiscarded, false},
    {"lxc-user-nic", NetworkDriver::kLxcUserNic, true, Cidr::kRefused, Ipv6::kDiscarded, true},
    {"gvisor-tap-vsock", NetworkDriver::kGvisorTapVsock, true, Cidr::kUsed, Ipv6::kRefused, true},
});

constexpr auto kPortDrivers = std::to_array<Choice<PortDriver>>({
    {"none", PortDriver::kNone},
    {"implicit", PortDriver::kImplicit},
    {"builtin", PortDriver::kBuiltin},
    {"slirp4netns", PortDriver::kSlirp4netns},
    {"gvisor-tap-vsock", PortDriver::kGvisorTapVsock},
    {"pesto", PortDriver::kPesto},
});

constexpr auto kToggles = std::to_array<Choice<ToggleMode>>({
    {"auto", ToggleMode::kAuto},
    {"true", ToggleMode::kOn},
    {"false", ToggleMode::kOff},
    {"", ToggleMode::kOff},
});

constexpr auto kSourceIpBackends = std::to_array<Choice<SourceIpBackend>>({
    {"auto", SourceIpBackend::kAuto},
    {"nft", SourceIpBackend::kNft},
    {"iptables", SourceIpBackend::kIptables},
});

constexpr std::int64_t kMaxMtu = 65521;        // slirp4netns' limit, and so everybody's
constexpr std::int64_t kVpnkitMtu = 1500;      // bytes; vpnkit loses packets with others
constexpr unsigned kMaxPrefix = 25;            // the child gets the network's address + 100
constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ with its final zero

Result<void> validate_mtu(const FlagSet& flags, Options& options) {
    const std::int64_t mtu = flags.integer("mtu");
    if (mtu < 0 || mtu > kMaxMtu) {
        return fail("mtu must be <= {}, got {}", kMaxMtu, mtu);
    }
    options.mtu = static_cast<std::uint32_t>(mtu);
    return {};
}

// Syntax only; whether the driver has a use for it comes later. Nothing where there is no --cidr.
Result<std::optional<model::Cidr>> validate_cidr_text(const FlagSet& flags) {
    const std::string& text = flags.text("cidr");
    if (text.empty()) {
        return std::optional<model::Cidr>();
    }
    const auto cidr = model::parse_cidr(text);
    if (!cidr) {
        return fail("invalid CIDR address: {}", text);
    }
    if (cidr->host_bits_set()) {
        return fail("cidr must be like 10.0.2.0/24, not like 10.0.2.100/24");
    }
    return cidr;
}

Result<void> validate_ifname(const FlagSet& flags, Options& options) {
    const std::string& name = flags.text("ifname");
    if (name.find('/') != std::string::npos) {
        return fail("ifname must not contain \"/\"");
    }
    // The kernel's own rules: dev_valid_name() in net/core/dev.c.
    if (name.size() > kMaxInterfaceName || name == "." || name == ".." ||
        name.find_first_of(": \t\n\v\f\r") != std::string::npos) {
        return fail("ifname must be 1 to {} bytes without blanks and colons, got {}",
                    kMaxInterfaceName, quote(name));
    }
    if (name == "lo") {
        return fail("ifname must not be \"lo\", which is the loopback interface");
    }
    options.ifname = name;
    return {};
}

void warn_about_network(const NetworkRules& rules, const FlagSet& flags, Validated& validated) {
    const Options& options = validated.options;
    if (options.ipv6 && rules.driver != NetworkDriver::kBuiltin) {
        validated.warnings.emplace_back("ipv6 is experimental");
        if (rules.ipv6 == Ipv6::kDiscarded) {
            validated.warnings.push_back(
                fmt::format("--ipv6 is discarded for --net={}", rules.text));
        }
    }
    if (!flags.boolean("disable-host-loopback") && rules.own_interface) {
        validated.warnings.emplace_back(
            "--disable-host-loopback is highly recommended: without it the command reaches what "
            "listens on 127.0.0.1 of the host");
    }
    if (rules.experimental) {
        validated.warnings.push_back(
            fmt::format("network driver {} is experimental", quote(rules.text)));
    }
}

Result<void> validate_without_interface(const NetworkRules& rules, bool cidr_given,
                                        Validated& validated) {
    if (validated.options.mtu != 0) {
        validated.warnings.push_back(
            fmt::format("unsupported mtu for --net={}: {}", rules.text, validated.options.mtu));
    }
    if (cidr_given) {
        return fail("custom cidr is not supported for --net={}", rules.text);
    }
    if (!validated.options.ifname.empty()) {
        return fail("ifname cannot be specified for --net={}", rules.text);
    }
    return {};
}

Result<void> validate_driver_cidr(const NetworkRules& rules, const model::Cidr& cidr,
                                  std::string_view text, Options& options) {
    if (rules.cidr == Cidr::kRefused) {
        return fail("custom cidr is not supported for --net={}", rules.text);
    }
    const auto network = cidr.ipv4_network();
    if (!network) {
        return fail("cidr must be an IPv4 network like 10.0.2.0/24, got {}", text);
    }
    if (network->prefix > kMaxPrefix) {
        return fail("cidr must be /{} or larger, got {}: the interface gets the 100th address",
                    kMaxPrefix, text);
    }
    options.cidr = network;
    return {};
}

Result<ToggleMode> toggle(const FlagSet& flags, std::string_view name) {
    const auto mode = choose(kToggles, flags.text(name));
    if (!mode) {
        return fail("unsupported {} mode: {}", name, quote(flags.text(name)));
    }
    return *mode;
}

Result<void> validate_slirp4netns(const FlagSet& flags, Options& options) {
    options.slirp4netns_sandbox = TRY(toggle(flags, "slirp4netns-sandbox"));
    if (options.slirp4netns_sandbox == ToggleMode::kOn && options.detach_netns) {
        return fail(
            "--slirp4netns-sandbox conflicts with --detach-netns (in its sandbox slirp4netns would "
            "not see the detached network namespace)");
    }
    options.slirp4netns_seccomp = TRY(toggle(flags, "slirp4netns-seccomp"));
    return {};
}

void complete_lxc_user_nic(const FlagSet& flags, Validated& validated) {
    Options& options = validated.options;
    if (!options.disable_host_loopback) {
        validated.warnings.emplace_back(
            "--disable-host-loopback is implicitly set for --net=lxc-user-nic");
        options.disable_host_loopback = true;
    }
    options.lxc_user_nic_binary = flags.given("lxc-user-nic-binary")
                                      ? flags.text("lxc-user-nic-binary")
                                      : find_lxc_user_nic();
}

// The rules of one driver that are no column of kNetworks.
Result<void> validate_driver_extras(const NetworkRules& rules, const FlagSet& flags,
                                    Validated& validated) {
    const Options& options = validated.options;
    if (rules.ipv6 == Ipv6::kRefused && options.ipv6) {
        return fail("--ipv6 is not supported for {}", rules.text);
    }
    if (rules.driver == NetworkDriver::kSlirp4netns) {
        return validate_slirp4netns(flags, validated.options);
    }
    if (rules.driver == NetworkDriver::kVpnkit && options.mtu != 0 && options.mtu != kVpnkitMtu) {
        validated.warnings.push_back(
            fmt::format("vpnkit is known to have trouble with an MTU other than {}, got {}",
                        kVpnkitMtu, options.mtu));
    }
    if (rules.driver == NetworkDriver::kLxcUserNic) {
        complete_lxc_user_nic(flags, validated);
    }
    return {};
}

// Two networks name the port drivers they can do with; the original checked this before anything
// else about the port driver, even whether it exists.
Result<void> check_network_permits(NetworkDriver network, std::string_view port_driver) {
    const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
        return std::find(names.begin(), names.end(), port_driver) != names.end();
    };
    if (network == NetworkDriver::kNone && !is_one_of({"none", "builtin"})) {
        return fail(R"(network "none" requires either port driver "none" or "builtin")");
    }
    if (network == NetworkDriver::kPasta && !is_one_of({"none", "implicit", "pesto"})) {
        return fail(R"(network "pasta" requires port driver "none" or "implicit" (or "pesto"))");
    }
    return {};
}

bool is_builtin(NetworkDriver network) {
    return network == NetworkDriver::kBuiltin || network == NetworkDriver::kGvisorTapVsock;
}

Result<void> check_port_driver_network(PortDriver driver, NetworkDriver network) {
    const auto require = [&](NetworkDriver required, std::string_view name) -> Result<void> {
        if (network != required) {
            return fail("port driver requires {} network", name);
        }
        return {};
    };
    const bool host = network == NetworkDriver::kHost;
    switch (driver) {
        case PortDriver::kNone:
            return {};
        case PortDriver::kImplicit:
            return is_builtin(network) || network == NetworkDriver::kPasta
                       ? Result<void>()
                       : fail("port driver requires pasta network (or builtin)");
        case PortDriver::kPesto:
            return require(NetworkDriver::kPasta, "pasta");
        case PortDriver::kSlirp4netns:
            return require(NetworkDriver::kSlirp4netns, "slirp4netns");
        case PortDriver::kBuiltin:
            return host ? fail("port driver requires non-host network") : Result<void>();
        case PortDriver::kGvisorTapVsock:
            return host ? fail("port driver requires non-host network")
                        : require(NetworkDriver::kGvisorTapVsock, "gvisor-tap-vsock");
    }
    return {};
}

Result<void> validate_publish(const FlagSet& flags, Options& options) {
    const std::vector<std::string>& texts = flags.list("publish");
    const bool publishes =
        options.port_driver != PortDriver::kNone && options.port_driver != PortDriver::kImplicit;
    if (!texts.empty() && !publishes) {
        return fail("port driver {} does not support publishing ports",
                    quote(flags.text("port-driver")));
    }
    for (const std::string& text : texts) {
        PortSpec spec = TRY(PortSpec::parse(text));
        if (options.port_driver != PortDriver::kBuiltin) {
            TRY(spec.check_one_fixed_port());
        }
        const auto same =
            std::find_if(options.publish.begin(), options.publish.end(),
                         [&](const PortSpec& one) { return spec.conflicts_with(one); });
        if (same != options.publish.end()) {
            return fail("failed to expose port {}: conflict with ID {}", spec.in_braces(),
                        same - options.publish.begin() + 1);
        }
        options.publish.push_back(std::move(spec));
    }
    return {};
}

Result<void> validate_ports(const FlagSet& flags, Options& options) {
    const std::string& text = flags.text("port-driver");
    TRY(check_network_permits(options.network, text));
    const auto driver = choose(kPortDrivers, text);
    if (!driver) {
        return fail("unknown port driver: {}", text);
    }
    TRY(check_port_driver_network(*driver, options.network));
    options.port_driver = *driver;
    TRY(validate_publish(flags, options));
    const std::string& backend = flags.text("source-ip-transparent-backend");
    const auto source_ip_backend = choose(kSourceIpBackends, backend);
    if (!source_ip_backend) {
        return fail("unknown source-ip-transparent-backend: {}", backend);
    }
    options.source_ip_transparent_backend = *source_ip_backend;
    return {};
}

Result<void> validate_network_driver(const NetworkRules& rules,
                                     const std::optional<model::Cidr>& cidr, const FlagSet& flags,
                                     Validated& validated) {
    validated.options.network = rules.driver;
    if (!rules.own_interface) {
        return validate_without_interface(rules, cidr.has_value(), validated);
    }
    if (cidr) {
        TRY(validate_driver_cidr(rules, *cidr, flags.text("cidr"), validated.options));
    }
    return validate_driver_extras(rules, flags, validated);
}

void take_plain_flags(const FlagSet& flags, Options& options) {
    options.disable_host_loopback = flags.boolean("disable-host-loopback");
    options.ipv6 = flags.boolean("ipv6");
    options.ipv6_given = flags.given("ipv6");
    options.detach_netns = flags.boolean("detach-netns");
    options.lxc_user_nic_bridge = flags.text("lxc-user-nic-bridge");
    options.pasta_binary = flags.text("pasta-binary");
    options.slirp4netns_binary = flags.text("slirp4netns-binary");
    options.vpnkit_binary = flags.text("vpnkit-binary");
    options.source_ip_transparent = flags.boolean("source-ip-transparent");
}

}  // namespace

Result<void> validate_network(const FlagSet& flags, Validated& validated) {
    Options& options = validated.options;
    take_plain_flags(flags, options);
    TRY(validate_mtu(flags, options));
    const auto cidr = TRY(validate_cidr_text(flags));
    TRY(validate_ifname(flags, options));
    const std::string& text = flags.text("net");
    const auto* rules = std::find_if(kNetworks.begin(), kNetworks.end(),
                                     [&](const NetworkRules& one) { return one.text == text; });
    if (rules == kNetworks.end()) {
        return fail("unknown network mode: {}", text);
    }
    warn_about_network(*rules, flags, validated);
    TRY(validate_network_driver(*rules, cidr, flags, validated));
    TRY(validate_egress(flags, rules->text, options));
    return validate_ports(flags, options);
}

std::string find_lxc_user_nic() {
    struct utsname system {};
    ::uname(&system);
    const std::array<std::string, 3> candidates = {
        "/usr/libexec/lxc/lxc-user-nic",
        fmt::format("/usr/lib/{}-linux-gnu/lxc/lxc-user-nic", &system.machine[0]),
        "/usr/lib/lxc/lxc-user-nic"};
    const auto* found = std::find_if(candidates.begin(), candidates.end(), [](const auto& path) {
        return sys::stat_path(path).has_value();
    });
    return found == candidates.end() ? "" : *found;
}

}  // namespace rk::tools
