// SPDX-License-Identifier: Apache-2.0
//
// Theory of operation: the program is static, so the C library's account functions (which load
// plug-ins) are not there; the file and getent(1) together know the same users.
//
// Which group is mapped to 0? The process's own, by experiment and the kernel's rules:
//  * shadow up to 4.13: newgidmap wants getgid() == the passwd entry's gid == the group owning
//    /proc/PID, and allows that group, so only one choice can work;
//  * later shadow with GRANT_AUX_GROUP_SUBIDS in login.defs: newgidmap allows getgid();
//  * no helper (--subid-source=none): the kernel allows the writer's effective gid only
//    (user_namespaces(7)).
// Files and the command's own group are then shown as root's even after newgrp(1) or sg(1).
#include "ns/user_identity.h"

#include "ns/helper_program.h"
#include "sys/file.h"
#include "wire/nsswitch.h"
#include "wire/passwd_file.h"

#include <unistd.h>

namespace rk::ns {

namespace {

// A directory server that does not answer must not take the five seconds an error may take.
constexpr std::chrono::milliseconds kGetentTime{1500};

std::optional<wire::PasswdEntry> from_file(const AccountFiles& files, std::uint32_t uid,
                                           const Logger& log) {
    const auto text = sys::read_file(files.passwd);
    if (!text) {
        log.debug("user lookup: {}", text.error().message);
        return std::nullopt;
    }
    return wire::find_passwd_entry(*text, uid);
}

std::optional<wire::PasswdEntry> from_getent(const AccountFiles& files, std::uint32_t uid,
                                             const sys::Environment& environment,
                                             const Logger& log) {
    const auto nsswitch = sys::read_file(files.nsswitch);
    if (!nsswitch || !wire::names_other_passwd_source(*nsswitch)) {
        return std::nullopt;
    }
    auto running = start_helper({"getent", "passwd", fmt::format("{}", uid)}, environment);
    if (!running) {
        log.debug("user lookup: {}", running.error().message);
        return std::nullopt;
    }
    const auto outcome = running->wait(sys::Deadline::after(kGetentTime));
    if (!outcome || !outcome->success()) {
        log.debug("user lookup: getent passwd {}: {}", uid,
                  outcome ? outcome->status_text() : outcome.error().message);
        return std::nullopt;
    }
    return wire::find_passwd_entry(outcome->standard_output, uid);
}

}  // namespace

Result<UserIdentity> find_user(const sys::Environment& environment, const Logger& log,
                               const AccountFiles& files) {
    UserIdentity user;
    user.uid = ::getuid();
    user.gid = ::getegid();
    auto entry = from_file(files, user.uid, log);
    if (!entry) {
        entry = from_getent(files, user.uid, environment, log);
    }
    if (entry) {
        user.name = std::move(entry->name);
        user.home = std::move(entry->home);
        user.passwd_gid = entry->gid;
        return user;
    }
    user.name = environment.get("USER").value_or("");
    user.home = environment.get("HOME").value_or("");
    if (user.name.empty()) {
        return fail("user: unknown userid {}: no entry in {} and $USER is not set", user.uid,
                    files.passwd);
    }
    log.debug("user lookup: no entry for uid {}, going by $USER={}", user.uid, user.name);
    return user;
}

}  // namespace rk::ns
