// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rk::wire {

/// What resolv.conf(5) says, as far as it makes sense in a network namespace.
struct ResolvConf {
    std::vector<std::string> nameservers;
    std::vector<std::string> search;   // domains; `domain NAME` is a list of one
    std::vector<std::string> options;  // "ndots:2"; without those that cannot mean anything

    friend bool operator==(const ResolvConf&, const ResolvConf&) = default;
};

/// Reads it as the C library does: the last of `search` and `domain` counts, options add up, what
/// is not known is skipped. Words with bytes that are not printable ASCII are left out; at most a
/// few dozen words of each kind are taken.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

/// The text of such a file; what is empty has no line.
[[nodiscard]] std::string format_resolv_conf(const ResolvConf& config);

}  // namespace rk::wire
