// SPDX-License-Identifier: Apache-2.0
//
// The rules of diagnosis.cc's table; not for use elsewhere. A rule answers with a diagnosis
// (without its name) if it applies, else with nothing. It may rely on the rules above it in the
// table not having applied.
#pragma once

#include "doctor/diagnosis.h"

#include <optional>

namespace rk::doctor::rules {

using Answer = std::optional<Diagnosis>;

// rules_clone.cc: the user namespace cannot be created
Answer process_limit(const Failure& failure, const Facts& facts);
Answer no_user_namespaces(const Failure& failure, const Facts& facts);
Answer limit_zero(const Failure& failure, const Facts& facts);
Answer limit_outside(const Failure& failure, const Facts& facts);
Answer limit_used_up(const Failure& failure, const Facts& facts);
Answer unprivileged_userns_clone(const Failure& failure, const Facts& facts);
Answer own_id_not_mapped(const Failure& failure, const Facts& facts);
Answer chrooted(const Failure& failure, const Facts& facts);

// rules_security.cc: AppArmor, seccomp, no_new_privs, a container's masks
Answer apparmor_forbids_userns(const Failure& failure, const Facts& facts);
Answer apparmor_strips_capabilities(const Failure& failure, const Facts& facts);
Answer apparmor_profile(const Failure& failure, const Facts& facts);
Answer seccomp(const Failure& failure, const Facts& facts);
Answer no_new_privs(const Failure& failure, const Facts& facts);
Answer masked_by_container(const Failure& failure, const Facts& facts);

// rules_subid.cc: there are no sub-IDs, or none that can be used
Answer getsubids_timeout(const Failure& failure, const Facts& facts);
Answer subids_impossible(const Failure& failure, const Facts& facts);
Answer subid_service(const Failure& failure, const Facts& facts);
Answer subids_missing(const Failure& failure, const Facts& facts);
Answer range_not_in_namespace(const Failure& failure, const Facts& facts);
Answer range_not_granted(const Failure& failure, const Facts& facts);

// rules_helper.cc: newuidmap or newgidmap cannot do its work
Answer helper_timeout(const Failure& failure, const Facts& facts);
Answer helper_missing(const Failure& failure, const Facts& facts);
Answer helper_other_group(const Failure& failure, const Facts& facts);
Answer helper_nosuid(const Failure& failure, const Facts& facts);
Answer helper_owner_not_mapped(const Failure& failure, const Facts& facts);
Answer helper_wrong_owner(const Failure& failure, const Facts& facts);
Answer helper_wrong_capability(const Failure& failure, const Facts& facts);
Answer helper_unprivileged(const Failure& failure, const Facts& facts);
Answer helper_capability_forbidden(const Failure& failure, const Facts& facts);
Answer helper_needs_sys_admin(const Failure& failure, const Facts& facts);

// rules_network.cc: there is no tap interface to be had
Answer tun_missing(const Failure& failure, const Facts& facts);
Answer tun_forbidden(const Failure& failure, const Facts& facts);

// rules_gateway.cc: the kernel lacks a part of the builtin network
Answer builtin_without_veth(const Failure& failure, const Facts& facts);
Answer builtin_without_tproxy(const Failure& failure, const Facts& facts);
Answer builtin_failed(const Failure& failure, const Facts& facts);

// rules_lxc.cc: lxc-user-nic cannot do its work, or there is no DHCP server
Answer lxc_missing(const Failure& failure, const Facts& facts);
Answer lxc_no_new_privs(const Failure& failure, const Facts& facts);
Answer lxc_unprivileged(const Failure& failure, const Facts& facts);
Answer lxc_bridge_missing(const Failure& failure, const Facts& facts);
Answer lxc_not_granted(const Failure& failure, const Facts& facts);
Answer lxc_quota(const Failure& failure, const Facts& facts);
Answer lxc_no_dhcp(const Failure& failure, const Facts& facts);

// rules_helper_network.cc: slirp4netns or vpnkit is not there, not fit, or gave up
Answer net_helper_missing(const Failure& failure, const Facts& facts);
Answer net_helper_other_program(const Failure& failure, const Facts& facts);
Answer net_helper_too_old(const Failure& failure, const Facts& facts);
Answer net_helper_gave_up(const Failure& failure, const Facts& facts);

// rules_pasta.cc: pasta is not there, not fit, or not let
Answer pasta_missing(const Failure& failure, const Facts& facts);
Answer pasta_no_pasta(const Failure& failure, const Facts& facts);
Answer pasta_too_old(const Failure& failure, const Facts& facts);
Answer pasta_apparmor(const Failure& failure, const Facts& facts);
Answer pasta_gave_up(const Failure& failure, const Facts& facts);

/// Which helper program the failure is about.
[[nodiscard]] bool is_gid_helper(const Failure& failure);
[[nodiscard]] const HelperFacts& helper(const Failure& failure, const Facts& facts);

/// Whether a helper program of the ID map failed that had to gain privilege by its file, because
/// this process has none to inherit.
[[nodiscard]] bool helper_had_to_gain_privilege(const Failure& failure, const Facts& facts);

/// Whether this process has the capability now; no where that is unknown.
[[nodiscard]] bool have_capability(const Facts& facts, unsigned capability);

/// Whether the capability is out of reach, even for a setuid program; no where that is unknown.
[[nodiscard]] bool capability_out_of_bounds(const Facts& facts, unsigned capability);

/// EPERM or EACCES.
[[nodiscard]] bool refused(const Failure& failure);

}  // namespace rk::doctor::rules
