// SPDX-License-Identifier: Apache-2.0
#include "launch/sandbox_facts.h"

#include "base/text.h"
#include "sys/file.h"
#include "wire/proc_status.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <linux/capability.h>
#include <linux/seccomp.h>

namespace rk::launch {

namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr unsigned kSetBits = 64;  // of a capability set as the kernel prints it
constexpr std::size_t kMaxFile = std::size_t{1} << 20U;

struct CapabilityName {
    unsigned number;
    std::string_view name;
};
// Those the relay may have by design; any other is shown by its number, and is a surprise.
constexpr std::array<CapabilityName, 4> kNames = {{{CAP_NET_BIND_SERVICE, "net_bind_service"},
                                                   {CAP_NET_ADMIN, "net_admin"},
                                                   {CAP_NET_RAW, "net_raw"},
                                                   {CAP_SYS_ADMIN, "sys_admin"}}};

std::string capability_name(unsigned number) {
    const auto* found =
        std::find_if(kNames.begin(), kNames.end(),
                     [number](const CapabilityName& one) { return one.number == number; });
    return found == kNames.end() ? fmt::format("{}", number) : std::string(found->name);
}

std::string capabilities_text(const std::optional<std::uint64_t>& set) {
    if (!set) {
        return std::string(kUnknown);
    }
    std::vector<std::string> names;
    for (unsigned number = 0; number < kSetBits; ++number) {
        if (wire::has_capability(*set, number)) {
            names.push_back(capability_name(number));
        }
    }
    return names.empty() ? "none" : join(names, " ");
}

std::string_view seccomp_text(const std::optional<std::uint32_t>& mode) {
    if (!mode) {
        return kUnknown;
    }
    return *mode == SECCOMP_MODE_FILTER   ? "filter"
           : *mode == SECCOMP_MODE_STRICT ? "strict"
                                          : "off";
}

std::string_view flag_text(const std::optional<bool>& flag) {
    return !flag ? kUnknown : *flag ? "true" : "false";
}

}  // namespace

std::map<std::string, std::string> describe_sandbox(std::string_view status,
                                                    std::string_view mountinfo) {
    const wire::ProcStatus known = wire::parse_proc_status(status);
    return {{"seccomp", std::string(seccomp_text(known.seccomp_mode))},
            {"capabilities", capabilities_text(known.effective_capabilities)},
            {"noNewPrivileges", std::string(flag_text(known.no_new_privs))},
            {"mounts", fmt::format("{}", std::count(mountinfo.begin(), mountinfo.end(), '\n'))}};
}

std::map<std::string, std::string> sandbox_facts(pid_t pid) {
    const auto status = sys::read_file(fmt::format("/proc/{}/status", pid), kMaxFile);
    const auto mounts = sys::read_file(fmt::format("/proc/{}/mountinfo", pid), kMaxFile);
    auto facts = describe_sandbox(status.value_or(""), mounts.value_or(""));
    if (!mounts) {
        facts["mounts"] = fmt::format("{}: {}", kUnknown, errno_text(mounts.error().code));
    }
    return facts;
}

}  // namespace rk::launch
