// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.h"
#include "model/id_map.h"
#include "model/options.h"
#include "ns/subid_source.h"
#include "ns/user_identity.h"
#include "sys/clock.h"
#include "sys/environment.h"
#include "sys/process.h"
#include "sys/run_program.h"

#include <tl/expected.hpp>

#include <chrono>
#include <optional>
#include <string>

#include <sys/types.h>

namespace rk::ns {

/// How long newuidmap and newgidmap together may take: they answer in 2 ms, or ask a directory
/// server; every error must be told within 5 s.
inline constexpr std::chrono::milliseconds kIdMapTime{3000};

/// Both maps of a user namespace.
struct IdMaps {
    model::IdMap uids;
    model::IdMap gids;
};

/// The maps of this user's fake root: own uid and gid are 0, the ranges follow from 1 on.
[[nodiscard]] IdMaps make_id_maps(const UserIdentity& user, const SubidRanges& ranges);

/// Where writing a map failed.
enum class IdMapStep {
    kFindProgram,   // not in PATH, or not executable
    kStartProgram,  // it could not be executed
    kRunProgram,    // it said no, died or did not end in time
    kWriteFile,     // without programs: the kernel refused
};

/// What went wrong, in full for the user and in parts for a diagnosis.
struct IdMapFailure {
    Error error;  // code: the errno, for kRunProgram the one the program's message names, or 0
    IdMapStep step = IdMapStep::kRunProgram;
    std::string program;                    // "newuidmap", "newgidmap"; "" with kWriteFile
    std::string program_path;               // "" with kFindProgram and kWriteFile
    std::optional<sys::ExitStatus> status;  // with kRunProgram
    bool timed_out = false;
    std::string output;  // what the program printed, bounded
};

/// Success or the first failure; newuidmap's where both fail.
using IdMapResult = tl::expected<void, IdMapFailure>;

/// Gives the new user namespace of `child` its maps, by newuidmap(1) and newgidmap(1) running at
/// the same time, or with SubidSource::kNone by writing the one own ID of each kind ourselves
/// (setgroups is then denied, user_namespaces(7)). `child` is our own, not yet reaped child, and
/// dumpable: /proc/PID belongs to root otherwise. Error: "failed to setup UID/GID map: newuidmap
/// PID [0 UID 1
/// ...] failed: OUTPUT: exit status N".
[[nodiscard]] IdMapResult write_id_maps(model::SubidSource source, pid_t child, const IdMaps& maps,
                                        const sys::Environment& environment,
                                        sys::Deadline deadline = sys::Deadline::after(kIdMapTime),
                                        const sys::Interrupt* interrupt = nullptr);

}  // namespace rk::ns
