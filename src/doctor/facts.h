// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "doctor/failure.h"
#include "model/id_map.h"
#include "sys/environment.h"
#include "wire/lxc_usernet.h"
#include "wire/os_release.h"
#include "wire/proc_status.h"
#include "wire/vfs_cap.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace rk::doctor {

/// How newuidmap(1) or newgidmap(1) is installed; all about the file PATH leads to.
struct HelperFacts {
    std::string path;       // "" = not found
    std::string elsewhere;  // then: where it is although PATH does not lead there
    uid_t owner = 0;        // as seen here: the overflow ID where it is not mapped
    bool setuid = false;
    bool nosuid = false;  // on a mount that ignores setuid bits and file capabilities
    std::optional<wire::FileCapabilities> capabilities;
};

/// What --net=lxc-user-nic stands on.
struct LxcFacts {
    HelperFacts program;
    bool bridge_exists = false;
    wire::UsernetGrant grant = wire::UsernetGrant::kNone;
};

/// A value of /proc/sys/user/max_NAME_namespaces. The kernel counts in every enclosing user
/// namespace and shows only the one of the reader's.
struct NamespaceLimit {
    std::string name;  // "user", "mnt", ...
    std::uint64_t value = 0;
};

/// What is known about the machine and about this process, as plain values, so that diagnose() is a
/// pure function. An empty optional: the kernel or the distribution has no such thing.
struct Facts {
    // Who asks
    std::string user;
    uid_t uid = 0;  // effective
    gid_t gid = 0;
    std::optional<gid_t> primary_gid;  // of the user's line in /etc/passwd
    std::string executable;            // absolute path of this program

    // Kernel switches
    std::optional<std::uint64_t> unprivileged_userns_clone;  // Debian's and Arch's patch
    std::optional<std::uint64_t> apparmor_restrict_userns;   // Ubuntu's
    std::vector<NamespaceLimit> limits;
    bool user_namespaces = true;  // CONFIG_USER_NS

    // This process
    wire::ProcStatus status;
    std::string apparmor_label;  // "unconfined", "NAME (enforce)", "" without AppArmor
    bool chrooted = false;
    bool container = false;

    // The child, where it still lived
    std::string child_apparmor_label;

    // The user namespace we are in
    bool initial_user_namespace = true;
    model::IdMap uid_map;
    model::IdMap gid_map;

    // ID map programs and sub-IDs
    HelperFacts newuidmap;
    HelperFacts newgidmap;
    bool has_subuids = false;
    bool has_subgids = false;
    std::optional<model::IdRange> free_subids;       // a range nobody has in either file
    std::optional<model::IdRange> namespace_subids;  // what a nested namespace could give at all
    bool subid_service = false;  // nsswitch.conf names a `subid:` source that is not the files

    // /dev/net/tun, looked at where the network failed
    int tun_error = 0;     // errno of opening it; 0 = it can be opened
    bool tun_node = true;  // it is there

    LxcFacts lxc;                 // looked at where that network failed
    HelperFacts network_program;  // of pasta and the like, where that network failed

    wire::Distribution distribution = wire::Distribution::kOther;
};

/// Where gather_facts() looks, and on whose behalf.
struct FactsRequest {
    std::string user;              // login name; there is no NSS in a static program
    sys::Environment environment;  // PATH, and the marks container managers leave
    std::string root;              // put before every absolute path; for tests
};

/// Collects the facts. Reads some twenty small files: only ever called after a failure.
[[nodiscard]] Facts gather_facts(const Failure& failure, const FactsRequest& request);

}  // namespace rk::doctor
