// SPDX-License-Identifier: Apache-2.0
#include "doctor/remedies.h"

#include <fmt/format.h>

#include <algorithm>

namespace rk::doctor {

std::string install_id_map_programs(wire::Distribution distribution) {
    switch (distribution) {
        case wire::Distribution::kDebian:
        case wire::Distribution::kUbuntu:
            return "sudo apt-get install uidmap";
        case wire::Distribution::kFedora:
        case wire::Distribution::kRhel:
            return "sudo dnf install shadow-utils";
        case wire::Distribution::kOpensuse:
            return "sudo zypper install shadow";
        case wire::Distribution::kArch:
            return "sudo pacman -S shadow";
        case wire::Distribution::kAlpine:
            return "sudo apk add shadow-uidmap";
        case wire::Distribution::kOther:
            break;
    }
    return R"(install the package that contains newuidmap and newgidmap ("uidmap" or "shadow"))";
}

std::string install_package(wire::Distribution distribution, std::string_view package,
                            std::string_view program) {
    switch (distribution) {
        case wire::Distribution::kDebian:
        case wire::Distribution::kUbuntu:
            return fmt::format("sudo apt-get install {}", package);
        case wire::Distribution::kFedora:
        case wire::Distribution::kRhel:
            return fmt::format("sudo dnf install {}", package);
        case wire::Distribution::kOpensuse:
            return fmt::format("sudo zypper install {}", package);
        case wire::Distribution::kArch:
            return fmt::format("sudo pacman -S {}", package);
        case wire::Distribution::kAlpine:
            return fmt::format("sudo apk add {}", package);
        case wire::Distribution::kOther:
            break;
    }
    return fmt::format("install the package that contains {} (\"{}\")", program, package);
}

std::string grant_file_capabilities(std::string_view newuidmap, std::string_view newgidmap) {
    const std::string uid_path = shell_word(newuidmap);
    const std::string gid_path = shell_word(newgidmap);
    // Both together fail: as uid 0 without CAP_SYS_ADMIN the program may not even open the map of
    // a namespace that belongs to the user.
    return fmt::format(
        "sudo chmod u-s {0} {1} && sudo setcap cap_setuid=ep {0} && sudo setcap cap_setgid=ep {1}",
        uid_path, gid_path);
}

std::string grant_helper_privilege(wire::Distribution distribution, std::string_view newuidmap,
                                   std::string_view newgidmap) {
    switch (distribution) {
        case wire::Distribution::kFedora:
        case wire::Distribution::kRhel:
        case wire::Distribution::kArch:
            return fmt::format("sudo setcap cap_setuid=ep {} && sudo setcap cap_setgid=ep {}",
                               shell_word(newuidmap), shell_word(newgidmap));
        case wire::Distribution::kDebian:
        case wire::Distribution::kUbuntu:
        case wire::Distribution::kOpensuse:
        case wire::Distribution::kAlpine:
        case wire::Distribution::kOther:
            break;
    }
    // chown clears the setuid bit (chown(2)), so the order matters.
    const std::string paths = shell_word(newuidmap) + " " + shell_word(newgidmap);
    return fmt::format("sudo chown root:root {0} && sudo chmod u+s {0}", paths);
}

std::string add_subids(const Grantee& grantee, const model::IdRange& range, MissingSubids missing) {
    const std::string name = shell_word(grantee.user);
    // busybox has no usermod; in a nested namespace usermod(8) cannot lock the host's files, but
    // uid 0 may have an /etc of its own there.
    if (grantee.nested || grantee.distribution == wire::Distribution::kAlpine) {
        return fmt::format("echo {}:{}:{} | {}tee -a{}{}", name, range.start, range.length,
                           grantee.nested ? "" : "sudo ", missing.uids ? " /etc/subuid" : "",
                           missing.gids ? " /etc/subgid" : "");
    }
    const std::string span = fmt::format("{}-{}", range.start, range.end() - 1);
    return fmt::format("sudo usermod{}{} {}", missing.uids ? " --add-subuids " + span : "",
                       missing.gids ? " --add-subgids " + span : "", name);
}

std::string apparmor_profile_block(std::string_view executable) {
    // A file name that starts with a dot is ignored by apparmor_parser(8), hence without the first
    // slash. echo rather than a here-document: its end mark may not be indented.
    std::string file(executable.substr(executable.starts_with('/') ? 1 : 0));
    std::replace(file.begin(), file.end(), '/', '.');
    const std::string path = shell_word("/etc/apparmor.d/" + file);
    const std::string profile = fmt::format(
        "abi <abi/4.0>,\n"
        "    include <tunables/global>\n"
        "    \"{}\" flags=(unconfined) {{\n"
        "      userns,\n"
        "      include if exists <local/{}>\n"
        "    }}",
        executable, file);
    return fmt::format(
        "    echo {} | sudo tee {}\n"
        "    sudo systemctl restart apparmor.service\n",
        shell_word(profile), path);
}

std::string shell_word(std::string_view text) {
    constexpr std::string_view kSafe =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@%+=:,";
    if (!text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos) {
        return std::string(text);
    }
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'') {
            quoted += "'\\''";
        } else {
            quoted += c;
        }
    }
    return quoted + "'";
}

}  // namespace rk::doctor
