// SPDX-License-Identifier: Apache-2.0
//
// What rootlessctl prints, as text. Scripts read these, so the forms are fixed.
#pragma once

#include "api/codec.h"
#include "api/egress_codec.h"

#include <string>
#include <string_view>
#include <vector>

namespace rk::tools {

/// Columns aligned to the left, each as wide as its longest cell and four blanks, the last one,
/// too.
[[nodiscard]] std::string render_table(const std::vector<std::vector<std::string>>& rows);

/// The table of `list-ports`.
[[nodiscard]] std::string render_ports(const std::vector<api::PortRecord>& ports);

/// The table of `list-egress`.
[[nodiscard]] std::string render_egress(const std::vector<api::EgressRecord>& rules);

/// The list of `info`.
[[nodiscard]] std::string render_info(const api::Info& info);

/// The tables of `stats`, and what the network counted. With `before`, taken `seconds` earlier,
/// there are rates, too.
[[nodiscard]] std::string render_stats(const api::Stats& stats, const api::Stats* before = nullptr,
                                       double seconds = 0);

/// "0", "999", "1.2k", "34M".
[[nodiscard]] std::string short_number(double value);

/// The help of rootlessctl; of a command, where `command` names one.
[[nodiscard]] std::string render_control_help(std::string_view version);
[[nodiscard]] std::string render_command_help(std::string_view command);

}  // namespace rk::tools
