// SPDX-License-Identifier: Apache-2.0
#include "ns/resolver_files.h"

#include "sys/directory.h"
#include "sys/file.h"
#include "sys/mount_calls.h"
#include "wire/hosts_file.h"
#include "wire/resolv_conf.h"

#include <array>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace rk::ns {

namespace {

constexpr std::size_t kMaxResolvConf = 65536;  // bytes; a larger one is not read
constexpr mode_t kReadableByAll = 0644;

std::string host_name() {
    struct utsname names {};
    return ::uname(&names) == 0 ? &names.nodename[0] : "";
}

Result<std::string> hosts_text() {
    auto hosts = sys::read_file("/etc/hosts");
    if (!hosts && hosts.error().code != ENOENT) {
        return hosts;
    }
    return wire::hosts_with_own_name(hosts.value_or(""), host_name());
}

std::string resolv_conf_text(const std::vector<model::IpAddress>& dns) {
    // The host's may be missing or unreadable: then there is nothing to take over.
    wire::ResolvConf config =
        wire::parse_resolv_conf(sys::read_file("/etc/resolv.conf", kMaxResolvConf).value_or(""));
    config.nameservers.clear();
    for (const model::IpAddress& server : dns) {
        config.nameservers.push_back(server.text());
    }
    return wire::format_resolv_conf(config);
}

// Copy-up left a link to the host's file; a file of ours takes its place.
Result<void> replace_by_file(const std::string& name) {
    const sys::Fd etc = TRY(sys::open_file("/etc", O_PATH | O_DIRECTORY));
    if (Result<void> removed = sys::remove_entry_at(etc, name);
        !removed && removed.error().code != ENOENT) {
        return removed;
    }
    return sys::replace_file_at(etc, name, "", kReadableByAll);
}

Result<void> mount_one(const std::string& state_dir, const std::string& name, EtcDirectory etc) {
    const std::string target = "/etc/" + name;
    if (etc == EtcDirectory::kCopiedUp) {
        TRY_CTX(replace_by_file(name), "replace {}", target);
    } else if (!sys::stat_path(target)) {
        return fail(Error{fmt::format("there is no {} to mount {}/{} on; with --copy-up=/etc it is "
                                      "made",
                                      target, state_dir, name),
                          ENOENT});
    }
    return sys::mount({.source = fmt::format("{}/{}", state_dir, name),
                       .target = target,
                       .type = "",
                       .flags = MS_BIND,
                       .data = ""});
}

}  // namespace

Result<void> write_resolver_files(const std::string& state_dir,
                                  const std::vector<model::IpAddress>& dns) {
    const sys::Fd directory = TRY(sys::open_file(state_dir, O_PATH | O_DIRECTORY));
    const std::string hosts = TRY(hosts_text());
    TRY(sys::replace_file_at(directory, "hosts", hosts, kReadableByAll));
    return sys::replace_file_at(directory, "resolv.conf", resolv_conf_text(dns), kReadableByAll);
}

Result<void> rewrite_resolv_conf(const std::string& state_dir,
                                 const std::vector<model::IpAddress>& dns) {
    const std::string path = state_dir + "/resolv.conf";
    const std::string text = resolv_conf_text(dns);
    const sys::Fd file = TRY(sys::open_file(path, O_WRONLY));
    // Written before it is cut: a reader finds a name server at any moment.
    if (::pwrite(file.number(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(file.number(), static_cast<off_t>(text.size())) < 0) {
        return fail(errno_error(errno, "write " + path));
    }
    return {};
}

Result<void> mount_resolver_files(const std::string& state_dir, EtcDirectory etc,
                                  const Logger& log) {
    if (etc == EtcDirectory::kHosts) {
        log.warn(
            "Mounting /etc/resolv.conf without copying-up /etc. The mount is lost as soon as the "
            "host "
            "replaces that file; with --copy-up=/etc it stays");
    }
    TRY(mount_one(state_dir, "resolv.conf", etc));
    return mount_one(state_dir, "hosts", etc);
}

}  // namespace rk::ns
