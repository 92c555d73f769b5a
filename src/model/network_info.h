// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rk::model {

/// What the API tells about the network of the namespace.
struct NetworkInfo {
    std::string driver;
    std::vector<std::string> dns;
    std::string child_ip;           // "" = unknown, or it may change
    bool dynamic_child_ip = false;  // it may change
    bool ipv6 = false;
    std::map<std::string, std::string> extra{};  // how it works at the moment; for people

    friend bool operator==(const NetworkInfo&, const NetworkInfo&) = default;
};

/// How the helper program of a network driver is.
struct HelperHealth {
    bool running = false;        // carries packets now
    int pid = 0;                 // 0 where there is no helper now
    std::uint64_t restarts = 0;  // since the start

    friend bool operator==(const HelperHealth&, const HelperHealth&) = default;
};

}  // namespace rk::model
