// SPDX-License-Identifier: Apache-2.0
#include "tools/rootlesskit_flags.h"

#include <array>

namespace rk::tools {

namespace {

constexpr std::string_view kMisc = "Misc";
constexpr std::string_view kMount = "Mount";
constexpr std::string_view kNetwork = "Network";
constexpr std::string_view kLxc = "Network [lxc-user-nic]";
constexpr std::string_view kPasta = "Network [pasta]";
constexpr std::string_view kSlirp = "Network [slirp4netns]";
constexpr std::string_view kVpnkit = "Network [vpnkit]";
constexpr std::string_view kPort = "Port";
constexpr std::string_view kProcess = "Process";
constexpr std::string_view kState = "State";
constexpr std::string_view kSubid = "SubID";

using enum FlagType;

// name, alias, type, default, category, help. Within a category the help keeps this order.
constexpr auto kFlags = std::to_array<FlagDefinition>({
    {"debug", "", kBool, "false", kMisc, "log what is done, and how long each step takes"},
    {"print-semver", "", kString, "", kMisc,
     "print one number of the version and exit [major, minor, patch]"},
    {"help", "h", kBool, "false", kMisc, "print this text and exit", false},
    {"version", "v", kBool, "false", kMisc, "print the version and exit", false},

    {"copy-up", "", kList, "", kMount,
     "make a directory writable inside: a tmpfs with links to what was there, e.g. "
     "\"--copy-up=/etc\" (networks other than host usually want /etc)"},
    {"copy-up-mode", "", kString, "tmpfs+symlink", kMount, "how --copy-up works [tmpfs+symlink]"},
    {"propagation", "", kString, "rprivate", kMount,
     "mount propagation of / [rprivate, rslave; also private, slave, shared, rshared]"},

    {"net", "", kString, "host", kNetwork,
     "network driver [host, none, builtin, pasta(experimental), slirp4netns, vpnkit, "
     "lxc-user-nic(experimental), gvisor-tap-vsock(experimental)]"},
    {"mtu", "", kInt, "0", kNetwork,
     "MTU of the interface inside, up to 65521; 0 leaves it to the driver (65520, but 1500 for "
     "vpnkit and lxc-user-nic)"},
    {"cidr", "", kString, "", kNetwork,
     "IPv4 network inside, for builtin, pasta, slirp4netns and gvisor-tap-vsock "
     "(10.0.2.0/24 where not given)"},
    {"ifname", "", kString, "", kNetwork,
     "name of the interface inside (tap0 where not given; eth0 with lxc-user-nic)"},
    {"disable-host-loopback", "", kBool, "false", kNetwork,
     "keep 127.0.0.1 of the host out of reach from inside"},
    {"ipv6", "", kBool, "false", kNetwork,
     "route IPv6 too (experimental), for builtin, pasta and slirp4netns; published ports do not "
     "depend on it"},
    {"egress-deny", "", kList, "", kNetwork,
     "refuse connections from inside to these destinations, e.g. \"10.0.0.0/8\" or "
     "\"192.0.2.1:1-1023/tcp\", with --net=builtin; the most specific rule decides"},
    {"egress-allow", "", kList, "", kNetwork,
     "allow these where a less specific --egress-deny refuses them"},
    {"detach-netns", "", kBool, "false", kNetwork,
     "leave the command in the network of the host and put the new network namespace at "
     "\"netns\" in the state directory"},

    {"lxc-user-nic-binary", "", kString, "", kLxc, "path of lxc-user-nic"},
    {"lxc-user-nic-bridge", "", kString, "lxcbr0", kLxc, "bridge lxc-user-nic attaches to"},
    {"pasta-binary", "", kString, "pasta", kPasta, "name or path of pasta"},
    {"slirp4netns-binary", "", kString, "slirp4netns", kSlirp, "name or path of slirp4netns"},
    {"slirp4netns-sandbox", "", kString, "false", kSlirp,
     "let slirp4netns shut itself in a mount namespace (experimental) [auto, true, false]"},
    {"slirp4netns-seccomp", "", kString, "false", kSlirp,
     "let slirp4netns filter its system calls (experimental) [auto, true, false]"},
    {"vpnkit-binary", "", kString, "vpnkit", kVpnkit, "name or path of VPNKit"},

    {"port-driver", "", kString, "none", kPort,
     "what publishes ports of the network inside [none, builtin, implicit (pasta or builtin), "
     "pesto (pasta), slirp4netns, gvisor-tap-vsock]"},
    {"publish", "p", kList, "", kPort, "publish a port, e.g. \"127.0.0.1:8080:80/tcp\""},
    {"source-ip-transparent", "", kBool, "true", kPort,
     "show services the real address of their clients (builtin port driver)"},
    {"source-ip-transparent-backend", "", kString, "auto", kPort,
     "what sets the rules for --source-ip-transparent [auto, nft, iptables]: nft needs no program, "
     "iptables does, auto is nft where the kernel has it"},

    {"pidns", "", kBool, "false", kProcess, "make a PID namespace"},
    {"cgroupns", "", kBool, "false", kProcess, "make a cgroup namespace"},
    {"utsns", "", kBool, "false", kProcess, "make a UTS namespace"},
    {"ipcns", "", kBool, "false", kProcess, "make an IPC namespace"},
    {"reaper", "", kString, "auto", kProcess,
     "reap orphaned processes [auto, true, false]; auto does so with --pidns"},
    {"evacuate-cgroup2", "", kString, "", kProcess,
     "move the processes of the own cgroup into this subgroup; needs --pidns and --cgroupns"},

    {"state-dir", "", kString, "", kState,
     "directory for the files of this run (a temporary one where not given)"},

    {"subid-source", "", kString, "auto", kSubid,
     "where the subordinate IDs come from [auto, dynamic (getsubids), static (/etc/subuid and "
     "/etc/subgid), none (only your own ID is mapped)]"},
});

}  // namespace

std::span<const FlagDefinition> rootlesskit_flags() {
    return kFlags;
}

}  // namespace rk::tools
