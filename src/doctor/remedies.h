// SPDX-License-Identifier: Apache-2.0
//
// Commands that several rules advise. Each is meant to be pasted into a shell.
#pragma once

#include "model/id_map.h"
#include "wire/os_release.h"

#include <string>
#include <string_view>

namespace rk::doctor {

/// The command that installs newuidmap(1).
[[nodiscard]] std::string install_id_map_programs(wire::Distribution distribution);

/// The command that installs a package which has the same name everywhere; where there is no such
/// command, advice that names the program in it.
[[nodiscard]] std::string install_package(wire::Distribution distribution, std::string_view package,
                                          std::string_view program);

/// The command that gives both programs back the privilege the distribution installs them with: a
/// file capability or the setuid bit.
[[nodiscard]] std::string grant_helper_privilege(wire::Distribution distribution,
                                                 std::string_view newuidmap,
                                                 std::string_view newgidmap);

/// The command that gives both programs file capabilities instead of the setuid bit.
[[nodiscard]] std::string grant_file_capabilities(std::string_view newuidmap,
                                                  std::string_view newgidmap);

/// Which of the two files lack a line.
struct MissingSubids {
    bool uids = true;
    bool gids = true;
};

/// Who gets sub-IDs, and where.
struct Grantee {
    std::string_view user;
    wire::Distribution distribution = wire::Distribution::kOther;
    bool nested = false;  // the files of a nested user namespace are meant
};

/// The command that gives a user a range.
[[nodiscard]] std::string add_subids(const Grantee& grantee, const model::IdRange& range,
                                     MissingSubids missing);

/// A block of commands that installs and loads an AppArmor profile which allows user namespaces to
/// the program at `executable` and confines it in nothing else.
[[nodiscard]] std::string apparmor_profile_block(std::string_view executable);

/// `text` for a POSIX shell: as it is where that is safe, else in single quotes.
[[nodiscard]] std::string shell_word(std::string_view text);

}  // namespace rk::doctor
