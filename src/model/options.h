// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/egress_rule.h"
#include "model/network.h"
#include "model/port_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rk::model {

/// Values of --propagation. Parsed once; the mount flags are ns/'s business.
enum class Propagation { kPrivate, kRprivate, kSlave, kRslave, kShared, kRshared };

/// Values of --subid-source. kNone maps only the caller.
enum class SubidSource { kAuto, kDynamic, kStatic, kNone };

/// Values of --reaper.
enum class ReaperMode { kAuto, kOn, kOff };

/// What a run was asked to do, validated: inner code never sees a value that might be wrong.
struct Options {
    bool debug = false;

    // Mount
    std::vector<std::string> copy_up;  // cleaned paths, in command-line order; never "/" or "/tmp"
    Propagation propagation = Propagation::kRprivate;

    // Network
    NetworkDriver network = NetworkDriver::kHost;
    std::uint32_t mtu = 0;  // bytes, 0 = the driver's default
    std::optional<Ipv4Network> cidr;
    std::string ifname;                  // "" = the driver's default
    bool disable_host_loopback = false;  // always true with lxc-user-nic
    bool ipv6 = false;
    bool ipv6_given = false;         // --ipv6 was given, with either value
    std::vector<EgressRule> egress;  // only with builtin; no two say the same
    bool detach_netns = false;

    // Network helpers: names to look up in PATH, or paths
    std::string lxc_user_nic_binary;  // "" where none was found or the driver is another one
    std::string lxc_user_nic_bridge;
    std::string pasta_binary;
    std::string slirp4netns_binary;
    ToggleMode slirp4netns_sandbox = ToggleMode::kOff;
    ToggleMode slirp4netns_seccomp = ToggleMode::kOff;
    std::string vpnkit_binary;

    // Port
    PortDriver port_driver = PortDriver::kNone;
    std::vector<PortSpec> publish;  // in command-line order; no two claim the same parent port
    bool source_ip_transparent = true;
    SourceIpBackend source_ip_transparent_backend = SourceIpBackend::kAuto;

    // Process
    bool pid_namespace = false;
    bool cgroup_namespace = false;
    bool uts_namespace = false;
    bool ipc_namespace = false;
    ReaperMode reaper = ReaperMode::kAuto;
    std::string evacuate_cgroup2;  // "" = no evacuation; one path component

    // State
    std::string state_dir;  // absolute, cleaned, room for a socket in it; "" = a temporary one

    // SubID
    SubidSource subid_source = SubidSource::kAuto;

    std::vector<std::string> command;  // at least one element

    /// Whether the child gets a network namespace of its own from the start.
    [[nodiscard]] bool new_network_namespace() const {
        return network != NetworkDriver::kHost && !detach_netns;
    }
    /// Whether the child reaps what is reparented to it.
    [[nodiscard]] bool reap() const {
        return reaper == ReaperMode::kOn || (reaper == ReaperMode::kAuto && pid_namespace);
    }
};

}  // namespace rk::model
