// SPDX-License-Identifier: Apache-2.0
//
// The JSON of /v1/egress.
#pragma once

#include "base/result.h"
#include "drivers/network/egress_control.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rk::api {

/// A rule as a client sees it; a server of another version may send other texts.
struct EgressRecord {
    std::int64_t id = 0;
    std::string action;
    std::string rule;
    std::string source;
    std::uint64_t hits = 0;
};

[[nodiscard]] std::string encode_egress(const drivers::EgressStatus& status);
[[nodiscard]] std::string encode_egress_list(const std::vector<drivers::EgressStatus>& statuses);

/// The body of POST /v1/egress: {"action":"deny","rule":"10.0.0.0/8"}. Unknown keys are ignored,
/// and so is what follows the first value.
[[nodiscard]] std::string encode_egress_request(std::string_view action, std::string_view rule);
[[nodiscard]] Result<model::EgressRule> decode_egress_request(std::string_view body);

/// Bodies as a client reads them; lenient about what is missing.
[[nodiscard]] Result<EgressRecord> decode_egress(std::string_view body);
[[nodiscard]] Result<std::vector<EgressRecord>> decode_egress_list(std::string_view body);

}  // namespace rk::api
