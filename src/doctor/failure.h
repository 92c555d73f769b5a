// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model/id_map.h"

#include <string>
#include <string_view>

#include <sys/types.h>

namespace rk::doctor {

/// Failure::program of the network drivers of those names.
inline constexpr std::string_view kLxcUserNic = "lxc-user-nic";
inline constexpr std::string_view kPasta = "pasta";
inline constexpr std::string_view kSlirp4netns = "slirp4netns";
inline constexpr std::string_view kVpnkit = "vpnkit";
inline constexpr std::string_view kBuiltinNetwork = "builtin";

/// Failure::target of the builtin network: the part of the kernel that was needed.
inline constexpr std::string_view kFeatureVeth = "veth";
inline constexpr std::string_view kFeatureTproxy = "tproxy";

/// The step of the set-up that failed.
enum class Stage {
    kCreateNamespaces,  // clone(2) or unshare(2) of the user namespace and those born with it
    kFindSubids,        // /etc/subuid, /etc/subgid, getsubids(1)
    kMapIds,            // newuidmap(1), newgidmap(1), or our own write to uid_map
    kGainCapabilities,  // mapped, but the child has no CAP_SYS_ADMIN
    kSetUpNetwork,      // the network driver
    kSetUpChild,        // mount(2), unshare(2), sethostname(2)... in the child
};

/// A failure as the set-up saw it. Leave at its default what does not apply.
struct Failure {
    Stage stage = Stage::kCreateNamespaces;
    int code = 0;         // errno, in the child's case as reported by the child
    int signal = 0;       // signal that ended the child or the helper program
    std::string program;  // helper program by name: "newuidmap", "newgidmap", "getsubids"
    std::string output;   // what it printed
    bool timed_out = false;
    std::string target;  // path of the mount that failed; of a network driver: its program as given
    std::string bridge;  // of lxc-user-nic
    pid_t child = 0;     // the child if it still lives: its label and status are facts too
    model::IdMap uid_map;  // the maps that were asked for
    model::IdMap gid_map;
};

}  // namespace rk::doctor
