// SPDX-License-Identifier: Apache-2.0
#include "drivers/network/slirp4netns_command.h"

#include "model/network.h"

#include <fmt/format.h>

namespace rk::drivers {

namespace {

using model::ToggleMode;

Result<bool> use_sandbox(const Slirp4netnsRequest& request) {
    // Its sandbox is a mount namespace of its own, in which the path of a detached network
    // namespace leads nowhere.
    const bool detached = !request.detached_netns.empty();
    switch (request.options.slirp4netns_sandbox) {
        case ToggleMode::kOff:
            return false;
        case ToggleMode::kAuto:
            return request.features.sandbox && !detached;
        case ToggleMode::kOn:
            break;
    }
    if (detached) {
        return fail("--slirp4netns-sandbox conflicts with --detach-netns");
    }
    return true;
}

Result<bool> use_seccomp(const Slirp4netnsRequest& request) {
    switch (request.options.slirp4netns_seccomp) {
        case ToggleMode::kOff:
            return false;
        case ToggleMode::kAuto:
            return request.features.seccomp && request.kernel_seccomp;
        case ToggleMode::kOn:
            break;
    }
    if (!request.features.seccomp) {
        return fail("unsupported slirp4netns version: lacks SupportsEnableSeccomp");
    }
    if (!request.kernel_seccomp) {
        return fail("kernel doesn't support seccomp");
    }
    return true;
}

// The command line while it grows: an option that is wanted has to be there.
struct Growing {
    std::vector<std::string> words;

    Result<void> add(bool wanted, bool available, std::string_view option, std::string value = "") {
        if (!wanted) {
            return {};
        }
        if (!available) {
            return fail("this version of slirp4netns does not support {}", option);
        }
        words.emplace_back(option);
        if (!value.empty()) {
            words.push_back(std::move(value));
        }
        return {};
    }
};

void add_target(std::vector<std::string>& words, const Slirp4netnsRequest& request) {
    if (request.detached_netns.empty()) {
        words.push_back(fmt::format("{}", request.child));
    } else {
        words.push_back(fmt::format("--userns-path=/proc/{}/ns/user", request.child));
        words.emplace_back("--netns-type=path");
        words.push_back(fmt::format("/proc/{}/root{}", request.child, request.detached_netns));
    }
    words.push_back(request.setup.device);
}

}  // namespace

Slirp4netnsFeatures parse_slirp4netns_help(std::string_view text) {
    const auto has = [&](std::string_view option) {
        return text.find(option) != std::string_view::npos;
    };
    return {.netns_type = has("--netns-type"),
            .ipv6 = has("--enable-ipv6"),
            .cidr = has("--cidr"),
            .disable_host_loopback = has("--disable-host-loopback"),
            .api_socket = has("--api-socket"),
            .sandbox = has("--enable-sandbox"),
            .seccomp = has("--enable-seccomp")};
}

Result<std::vector<std::string>> slirp4netns_command(const Slirp4netnsRequest& request) {
    const model::Options& options = request.options;
    const Slirp4netnsFeatures& has = request.features;
    if (!has.netns_type) {
        return fail("{} seems older than v0.4.0", request.program);
    }
    const bool sandbox = TRY(use_sandbox(request));
    const bool seccomp = TRY(use_seccomp(request));
    const model::Ipv4Network cidr = options.cidr.value_or(model::Ipv4Network{});
    Growing line{{request.program, "--mtu", fmt::format("{}", request.setup.mtu), "-r", "3"}};
    TRY(line.add(options.disable_host_loopback, has.disable_host_loopback,
                 "--disable-host-loopback"));
    TRY(line.add(options.cidr.has_value(), has.cidr, "--cidr",
                 fmt::format("{}/{}", model::IpAddress::v4(cidr.address).text(), cidr.prefix)));
    TRY(line.add(!request.api_socket.empty(), has.api_socket, "--api-socket", request.api_socket));
    TRY(line.add(sandbox, has.sandbox, "--enable-sandbox"));
    TRY(line.add(seccomp, has.seccomp, "--enable-seccomp"));
    TRY(line.add(options.ipv6, has.ipv6, "--enable-ipv6"));
    add_target(line.words, request);
    return std::move(line.words);
}

}  // namespace rk::drivers
