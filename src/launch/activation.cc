// SPDX-License-Identifier: Apache-2.0
#include "launch/activation.h"

#include "base/text.h"
#include "sys/fd.h"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

namespace rk::launch {

namespace {
constexpr std::uint64_t kMaxDescriptors = 1U << 20U;  // fs.nr_open's default; more cannot be open
constexpr int kFirstDescriptor = 3;                   // SD_LISTEN_FDS_START

// All descriptors of ours are close-on-exec. LISTEN_FDS may promise more than there is.
bool is_the_callers(int descriptor) {
    const int flags = ::fcntl(descriptor, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

// Returns the places of those that are left, which have become the first descriptors.
std::vector<std::size_t> move_together(std::size_t count,
                                       const std::vector<std::uint16_t>& withheld) {
    std::vector<std::size_t> kept;
    int end = kFirstDescriptor;
    for (std::size_t place = 0; place < count && is_the_callers(end); ++place, ++end) {
        const int target = kFirstDescriptor + static_cast<int>(kept.size());
        if (std::find(withheld.begin(), withheld.end(), place) == withheld.end() &&
            ::dup2(end, target) == target) {
            kept.push_back(place);
        }
    }
    for (int rest = kFirstDescriptor + static_cast<int>(kept.size()); rest < end; ++rest) {
        sys::Fd(rest).reset();
    }
    return kept;
}

}  // namespace

bool is_socket_activated(const sys::Environment& environment, pid_t self) {
    const auto pid = parse_decimal(environment.get("LISTEN_PID").value_or(""));
    const auto count = parse_decimal(environment.get("LISTEN_FDS").value_or(""), kMaxDescriptors);
    return pid && *pid == static_cast<std::uint64_t>(self) && count && *count > 0;
}

bool withhold_sockets(sys::Environment& environment, const std::vector<std::uint16_t>& withheld) {
    if (withheld.empty()) {
        return true;
    }
    const auto count = parse_decimal(environment.get("LISTEN_FDS").value_or(""), kMaxDescriptors);
    const std::vector<std::size_t> kept = move_together(count.value_or(0), withheld);
    if (kept.empty()) {
        for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
            environment.remove(name);
        }
        return false;
    }
    environment.set("LISTEN_FDS", fmt::format("{}", kept.size()));
    if (const auto text = environment.get("LISTEN_FDNAMES")) {
        const auto names = split(*text, ':');
        std::vector<std::string> left;
        for (const std::size_t place : kept) {
            left.emplace_back(place < names.size() ? names[place] : "");
        }
        environment.set("LISTEN_FDNAMES", join(left, ":"));
    }
    return true;
}

}  // namespace rk::launch
