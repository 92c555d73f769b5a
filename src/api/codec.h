// SPDX-License-Identifier: Apache-2.0
//
// The API's JSON: values to text and back. Keys, their order and what is left out are those clients
// were written against (Go's encoding/json); nothing here touches a socket.
#pragma once

#include "api/service.h"
#include "base/result.h"
#include "model/gateway_stats.h"
#include "model/port_status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rk::api {

/// A published port as a client sees it; a server of another version may send what makes no sense
/// to our PortSpec.
struct PortRecord {
    std::int64_t id = 0;
    model::PortFields spec;
};

/// One port's counters, with what is known of the port. `spec` has only defaults where the port was
/// removed meanwhile.
struct PortStats {
    model::PortCounters counters;
    model::PortFields spec;
};

/// GET /v1/stats.
struct Stats {
    model::RelayHealth relay;
    std::vector<PortStats> ports;
    std::optional<model::GatewayStats> network;  // of a network of our own
};

/// The fields a spec was made of.
[[nodiscard]] model::PortFields fields_of(const model::PortSpec& spec);
/// "8080", or "8000-8010" for a range.
[[nodiscard]] std::string parent_port_text(const model::PortFields& spec);
[[nodiscard]] std::string child_port_text(const model::PortFields& spec);

[[nodiscard]] std::string encode_info(const Info& info);
[[nodiscard]] std::string encode_spec(const model::PortFields& spec);
[[nodiscard]] std::string encode_status(const model::PortStatus& status);
/// "null" for no ports at all, as clients know it.
[[nodiscard]] std::string encode_statuses(const std::vector<model::PortStatus>& statuses);
[[nodiscard]] std::string encode_stats(const Stats& stats);
/// {"message":"..."} and a newline.
[[nodiscard]] std::string encode_error(std::string_view message);

/// The body of POST /v1/ports, by Go's rules: keys in any case, unknown ones ignored, what follows
/// the first value ignored. Errors in Go's words.
[[nodiscard]] Result<model::PortFields> decode_spec(std::string_view body);

/// Bodies as a client reads them; lenient about what is missing.
[[nodiscard]] Result<Info> decode_info(std::string_view body);
[[nodiscard]] Result<PortRecord> decode_status(std::string_view body);
[[nodiscard]] Result<std::vector<PortRecord>> decode_statuses(std::string_view body);
[[nodiscard]] Result<Stats> decode_stats(std::string_view body);
/// The message of an error's body; empty where it is none.
[[nodiscard]] std::optional<std::string> decode_error(std::string_view body);

/// Lays a JSON text out with an indent of four, keys in the order they came.
[[nodiscard]] Result<std::string> indent_json(std::string_view body);
/// The elements of an array (or of null) as one compact text each.
[[nodiscard]] Result<std::vector<std::string>> split_array(std::string_view body);

}  // namespace rk::api
