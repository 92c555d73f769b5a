// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/codec.h"

#include <string>
#include <string_view>

namespace rk::api {

/// Media type of the text below.
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

/// What is counted as Prometheus' text format 0.0.4. Without a port driver only the info line.
[[nodiscard]] std::string render_metrics(const Info& info, const Stats* stats);

}  // namespace rk::api
